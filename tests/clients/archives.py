"""Packs a folder as people and their tools do: `archives.py FOLDER TARGET` writes archives of every kind below TARGET."""

import io
import sys
import tarfile
import zipfile
from pathlib import Path

folder, target = map(Path, sys.argv[1:3])
files = sorted(path for path in folder.rglob("*") if path.is_file())


def names(path):
    return str(path.relative_to(folder.parent))


for name, packing in {"deflated": zipfile.ZIP_DEFLATED, "stored": zipfile.ZIP_STORED}.items():
    with zipfile.ZipFile(target / f"{name}.zip", "w", packing) as archive:
        archive.mkdir(folder.name)
        archive.writestr("__MACOSX/._x", b"\0\5\x16\7")
        for path in files:
            archive.write(path, names(path))


class Stream(io.RawIOBase):
    """Cannot go back, so that sizes come behind the files."""

    def __init__(self, file):
        self.file = file

    def writable(self):
        return True

    def write(self, data):
        return self.file.write(data)


with open(target / "streamed.zip", "wb") as file, zipfile.ZipFile(Stream(file), "w", zipfile.ZIP_DEFLATED) as archive:
    for path in files:
        # With the fields for files of more than 4 GiB.
        with archive.open(names(path), "w", force_zip64=True) as entry:
            entry.write(path.read_bytes())

for name, mode, kind in [
    ("gnu.tar", "w", tarfile.GNU_FORMAT),
    ("pax.tar.gz", "w:gz", tarfile.PAX_FORMAT),
    ("ustar.tar.bz2", "w:bz2", tarfile.USTAR_FORMAT),
]:
    with tarfile.open(target / name, mode, format=kind) as archive:
        archive.add(folder, folder.name)
        long = tarfile.TarInfo(f"{folder.name}/{'long/' * 30}README.md")
        if kind != tarfile.USTAR_FORMAT:
            archive.addfile(long, io.BytesIO())
