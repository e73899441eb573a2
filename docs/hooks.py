"""Links from pages to files of the repository outside docs/, for the site: each such file becomes a page of its own.

In a clone the links lead to the files. In the site a Markdown file is rendered like the pages of docs/, and any other text is
shown as code, beside a copy to download.
"""

import posixpath
import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files, InclusionLevel
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent

# A link in Markdown; or code, in which there are none.
LINK = re.compile(
    r"(?P<code>^```.*?^```$|`[^`\n]+`(?!\]))|(?P<before>\]\()(?P<target>[^)\s#]+)(?P<anchor>#[^)\s]*)?\)",
    re.MULTILINE | re.DOTALL,
)

# The heading of a name, which mkdocstrings writes itself, and its directive.
DIRECTIVE = re.compile(r"^### (\w+)\n\n(?=::: exjournal\.(?:\w+\.)*\1$)", re.MULTILINE)

LANGUAGES = {".py": "python", ".toml": "toml", ".cf": "ini", ".json": "json", ".service": "ini"}

# Where a page shows a file: the path in the repository, by the path in the site.
_shown: dict[str, str] = {}


def repository_path(page: str) -> str:
    """The path in the repository of a page, which is named by its path in the site."""
    return _shown.get(page, f"docs/{page}")


def site_path(path: str) -> str:
    """The page that shows a file of the repository, by its path there."""
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path == "README.md":
        return "index.md"
    return path if path.endswith(".md") else f"{path}.md"


def is_file_outside(path: str) -> bool:
    """Whether a path of the repository names a file that the site must show although it is not in docs/."""
    return not path.startswith(("docs/", "..")) and path != "README.md" and (ROOT / path).is_file()


def targets(markdown: str, page: str) -> list[str]:
    """The paths in the repository that a page links to."""
    folder = posixpath.dirname(repository_path(page))
    found = [link["target"] for link in LINK.finditer(markdown) if link["target"]]
    return [posixpath.normpath(posixpath.join(folder, target)) for target in found if ":" not in target]


def text_of(path: Path) -> str:
    """The Markdown that shows a file which is not Markdown itself."""
    text = path.read_text(encoding="utf-8", errors="backslashreplace").replace("\0", "\N{SYMBOL FOR NULL}")
    fence = "`" * max(3, 1 + max((len(run) for run in re.findall("`+", text)), default=0))
    name = path.relative_to(ROOT).as_posix()
    front = f"---\ntitle: {path.name}\nsearch:\n  exclude: true\n---\n\n"
    return (
        f"{front}# {name}\n\n[Download]({path.name})\n\n{fence}{LANGUAGES.get(path.suffix, 'text')}\n{text}\n{fence}\n"
    )


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add a page for each file outside docs/ to which a page leads, and for those to which these lead."""
    _shown.clear()
    waiting = [file for file in files.documentation_pages() if file.inclusion.is_included()]
    while waiting:
        file = waiting.pop()
        for path in targets(file.content_string, file.src_uri):
            page = site_path(path)
            if not is_file_outside(path) or page in _shown:
                continue
            _shown[page] = path
            if path.endswith(".md"):
                content = (ROOT / path).read_text(encoding="utf-8")
            else:
                content = text_of(ROOT / path)
                files.append(File.generated(config, path, abs_src_path=str(ROOT / path)))
            added = File.generated(config, page, content=content, inclusion=InclusionLevel.NOT_IN_NAV)
            existing = files.get_file_from_path(page)
            if existing is not None:
                files.remove(existing)
            files.append(added)
            waiting.append(added)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Lead links to files of the repository to the pages that show them."""
    here = page.file.src_uri
    folder = posixpath.dirname(repository_path(here))

    def replaced(link: re.Match[str]) -> str:
        if link["code"] or ":" in link["target"]:
            return link[0]
        path = posixpath.normpath(posixpath.join(folder, link["target"]))
        if not path.startswith("docs/") and site_path(path) not in {*_shown, "index.md"}:
            return link[0]
        if here in _shown and path == posixpath.join(folder, Path(here).stem) and not path.endswith(".md"):
            return link[0]
        target = posixpath.relpath(site_path(path), posixpath.dirname(here) or ".")
        return f"{link['before']}{target}{link['anchor'] or ''})"

    markdown = LINK.sub(replaced, markdown).replace("```python\n>>> ", "```pycon\n>>> ")
    return DIRECTIVE.sub(lambda found: f'<a id="{found[1].lower()}"></a>\n\n', markdown)


# An option in code, which a browser would break after its dashes; and in the API reference, the name of a page.
OPTION = re.compile(r"<code>(?=--?[a-z][^ <]{0,30}</code>)")
PAGE_NAME = re.compile(r"<code>docs/([\w/-]+)\.md</code>")


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Keep options in one piece, and make links of the names of pages in docstrings."""
    up = posixpath.relpath(".", posixpath.dirname(page.file.src_uri) or ".")
    html = OPTION.sub('<code class="option">', html)
    return PAGE_NAME.sub(rf'<a href="{up}/\1.html"><code>\1</code></a>', html)
