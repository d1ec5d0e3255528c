"""Make a release: its number in likelab, in the setup cell of every chapter and in CITATION.cff, one commit, one tag.

    python -m tools.website.release 0.2.0

It refuses a number that is none or lies behind, a tag that is there, and a tree with changes. Nothing is pushed.
"""

import re
import subprocess
import sys
from datetime import date

from likelab import files
from likelab.errors import DataError
from tools.chapter import chapters, setup_cell


def git(*arguments):
    """What git prints. Raises SystemExit with git's own last line where it fails, and where there is no git."""
    options = {"cwd": chapters.ROOT, "capture_output": True, "encoding": "utf-8", "errors": "replace"}
    try:
        run = subprocess.run(["git", *arguments], **options)
    except OSError as error:
        sys.exit(f"git does not run ({error.strerror}): a release is a commit and a tag, so install git first")
    if run.returncode:
        sys.exit(f"git {arguments[0]} failed: {(run.stderr.strip() or run.stdout.strip()).splitlines()[-1]}")
    return run.stdout.strip()


def refusal(version):
    """Why there can be no release of that number now, or nothing."""
    if not re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version):
        return f"{version!r} is no release number: give three whole numbers, as in make release VERSION=0.2.0"
    now = setup_cell.version(chapters.ROOT)
    if [int(part) for part in version.split(".")] < [int(part) for part in now.split(".")]:
        return f"{version} lies behind {now}, which likelab says it is: give a higher number"
    if git("tag", "--list", f"v{version}"):
        return f"The tag v{version} is there already: give a higher number"
    if changed := git("status", "--porcelain").splitlines():
        return f"{len(changed)} files are changed or not committed, {changed[0].split()[-1]} first: commit them first"
    return None


def cite(version):
    """Write the release's number and today's date into CITATION.cff, where there is one.

    Raises DataError where it has no line for one of them, or more, or cannot be written.
    """
    path = chapters.ROOT / "CITATION.cff"
    if not path.exists():
        return
    text = path.read_text("utf-8")
    for key, value in (("version", version), ("date-released", date.today().isoformat())):
        text, count = re.subn(rf"^{key}:.*$", f"{key}: {value}", text, flags=re.M)
        if count != 1:
            raise DataError.about(path, f"one line that begins with `{key}:`", count, "Mend it, then commit.")
    files.write(path, text)


def main(version):
    if why := refusal(version):
        sys.exit(why)
    package = chapters.BOOK / "likelab" / "__init__.py"
    text = package.read_text("utf-8")
    try:
        files.write(package, re.sub(r'^__version__ = ".+"$', f'__version__ = "{version}"', text, flags=re.M))
        written = setup_cell.write(chapters.ROOT)
        cite(version)
    except DataError as error:
        sys.exit(f"{error} First take back what was written: git checkout .")
    if git("status", "--porcelain"):  # the first release may have its number already
        git("add", "--update")
        git("commit", "--quiet", f"--message=Release {version}")
    git("tag", "--annotate", f"v{version}", f"--message=Release {version}")
    print(f"Release {version}: {len(written)} setup cells written, committed and tagged here.")
    print(f"To publish it: git push origin {git('rev-parse', '--abbrev-ref', 'HEAD')} v{version}")


if __name__ == "__main__":
    chapters.command(main, *sys.argv[1:2] or [""])
