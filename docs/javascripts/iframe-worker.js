// Search in pages that are opened from a folder, where a browser starts no workers: a hidden frame takes the worker's place.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super();
      const frame = document.createElement("iframe");
      frame.hidden = true;
      frame.srcdoc =
        "<script>self.postMessage = data => " +
        'frameElement.worker.dispatchEvent(new MessageEvent("message", { data }))</script>' +
        `<script src="${url}"></script>`;
      frame.worker = this;
      this.ready = new Promise((resolve) => {
        frame.onload = () => resolve(frame.contentWindow);
      });
      document.body.appendChild(frame);
    }

    postMessage(data) {
      this.ready.then((target) => target.dispatchEvent(new MessageEvent("message", { data })));
    }

    terminate() {}
  };
}
