// Reads messages with nodemailer's mailparser: a size of four bytes and the message in, a size and JSON out.
import { createRequire } from "node:module";

const { MailParser } = createRequire(process.env.MAILPARSER + "/")("mailparser");

function addresses(list) {
  return list.flatMap((one) => (one.group ? addresses(one.group) : [one.address || one.name || ""]));
}

function read(message) {
  return new Promise((resolve) => {
    const parser = new MailParser({ skipHtmlToText: true, skipTextToHtml: true, skipImageLinks: true, skipTextLinks: true });
    const recipients = [];
    const parts = [];
    let subject = "";
    parser.on("headers", (headers) => {
      for (const name of ["to", "cc"]) {
        const value = headers.get(name);
        for (const one of Array.isArray(value) ? value : value ? [value] : []) recipients.push(...addresses(one.value));
      }
      subject = headers.get("subject") || "";
    });
    parser.on("data", (data) => {
      if (data.type === "attachment") {
        const chunks = [];
        data.content.on("data", (chunk) => chunks.push(chunk));
        data.content.on("end", () => {
          parts.push([data.contentType || "", data.filename || "", Buffer.concat(chunks).toString("latin1")]);
          data.release();
        });
      } else {
        parts.push(["text", data.text || "", data.html || ""]);
      }
    });
    const done = (error) => resolve({ recipients, subject, parts, error: error ? String(error.message) : "" });
    parser.on("error", done);
    parser.on("end", () => done());
    parser.end(message);
  });
}

let input = Buffer.alloc(0);
for await (const chunk of process.stdin) {
  input = input.length ? Buffer.concat([input, chunk]) : chunk;
  while (input.length >= 4 && input.length >= 4 + input.readUInt32BE(0)) {
    const size = input.readUInt32BE(0);
    const answer = Buffer.from(JSON.stringify(await read(input.subarray(4, 4 + size))), "utf8");
    input = input.subarray(4 + size);
    const head = Buffer.alloc(4);
    head.writeUInt32BE(answer.length);
    process.stdout.write(Buffer.concat([head, answer]));
  }
}
