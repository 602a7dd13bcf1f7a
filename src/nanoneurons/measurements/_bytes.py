"""From the bytes of a file to text, whatever a spreadsheet or an instrument wrote."""

from __future__ import annotations

import codecs
from pathlib import Path

from nanoneurons.core.errors import DataError

__all__ = ["read_bytes", "to_text"]

_SAVE = "save the sheet as CSV"
_FORMATS = {
    b"\xd0\xcf\x11\xe0": ("an old Excel workbook", _SAVE),
    b"\x89HDF": ("an HDF5 file", "export the table as CSV or its arrays with numpy.savez"),
    b"MATLAB 5.0": ("a MATLAB file", "export the table as CSV or its arrays with numpy.savez"),
    b"\x1f\x8b": ("compressed", "unpack it first"),
    b"BZh": ("compressed", "unpack it first"),
    b"\xfd7zXZ": ("compressed", "unpack it first"),
    b"%PDF": ("a PDF", "export the table as CSV"),
    b"\x89PNG": ("a picture", "export the numbers behind it as CSV"),
    b"PK\x03\x04": ("an Excel workbook or a zip archive", _SAVE + ", or unpack the archive"),
}


def read_bytes(path: Path) -> bytes:
    """The bytes of a file.

    Raises:
        DataError: no such file, a folder, not readable, or empty.
    """
    if path.is_dir():
        raise DataError(f"{path} is a folder; name one file of measurements in it")
    if not path.exists():
        raise DataError(f"{path} does not exist; check the path")
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}); check its permissions") from error
    if not raw.strip(b"\0 \t\r\n\xef\xbb\xbf\xff\xfe"):
        raise DataError(f"{path} is empty; it should hold a table of measurements")
    return raw


def to_text(raw: bytes, name: str) -> str:
    r"""Text with ``\n`` at the end of lines.

    Raises:
        DataError: the bytes are not text; says what they are where that is known.
    """
    for start, (what, remedy) in _FORMATS.items():
        if raw.startswith(start):
            raise DataError(f"{name} is {what}, not text; {remedy}")
    text = _decoded(raw, name)
    control = sum(text.count(c) for c in "\0\x01\x02\x03\x04\x05\x06\x07\x0e\x0f\x10")
    if control:
        row = text[: min(k for k in (text.find(c) for c in "\0\x01\x02\x03\x04\x05\x06\x07\x0e\x0f\x10") if k >= 0)]
        raise DataError(f"{name}, row {row.count(chr(10)) + 1}: not text (control characters); export it as CSV")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def _decoded(raw: bytes, name: str) -> str:
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encodings = ["utf-16"]
    elif raw.startswith(codecs.BOM_UTF8):
        encodings = ["utf-8-sig"]
    else:
        even, odd = raw[:4000:2].count(0), raw[1:4000:2].count(0)
        half = min(len(raw), 4000) / 4
        guess = ["utf-16-le"] if odd > half > even else ["utf-16-be"] if even > half > odd else []
        encodings = [*guess, "utf-8", "cp1252"]
    for encoding in encodings:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise DataError(f"{name} is not text in any encoding tried ({', '.join(encodings)}); export it as CSV in UTF-8")
