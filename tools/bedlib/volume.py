"""The boot volume: a FAT32 image with Cede (or the bare launcher), cede.conf and the program to run."""
import os
import re
import subprocess

from .verdict import BedError

BOM = b"\xef\xbb\xbf"
MIB = 1 << 20
SMALLEST = 320 * MIB  # FAT32 with 4 KiB clusters; the file is sparse
MTOOLS_ENV = {**os.environ, "MTOOLS_SKIP_CHECK": "1", "MTOOLS_NO_VFAT": "0"}


def mtools(*command):
    try:
        subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                       stderr=subprocess.PIPE, env=MTOOLS_ENV)
    except FileNotFoundError:
        raise BedError(f"{command[0]} is missing: run tools/setup test") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip()
        raise BedError(f"{' '.join(command)} failed: {said}") from None


def parents(path):
    """'/EFI/BOOT/X' -> ['/EFI', '/EFI/BOOT']"""
    parts = path.strip("/").split("/")[:-1]
    return ["/" + "/".join(parts[:n + 1]) for n in range(len(parts))]


def normalized(destination):
    return "/" + destination.replace("\\", "/").strip("/")


def says(line, key):
    return re.match(rb"\s*" + key + rb"\s*=", line)


def configuration(text, program, options):
    """cede.conf, in bytes: `text` (the user's or nothing) with `next` and `options` added where it has none. They go
    before the first [section], since keys after it would be the section's. All else stays as it is: whether it can be
    read is the loader's to say."""
    wanted = [(b"next", program and b"\\" + os.fsencode(program)), (b"options", os.fsencode(options))]
    lines = text.removeprefix(BOM).splitlines(keepends=True)
    first = next((n for n, line in enumerate(lines) if line.strip().startswith(b"[")), len(lines))
    added = [b"%s = %s\n" % (key, value) for key, value in wanted
             if value and not any(says(line, key) for line in lines[:first])]
    if added and first and not lines[first - 1].endswith((b"\n", b"\r")):
        lines[first - 1] += b"\n"
    return text[:len(text) - len(text.removeprefix(BOM))] + b"".join(lines[:first] + added + lines[first:])


def build(image, files):
    """Makes FAT image `image` of `files`: [(source path, destination)]."""
    for source, _ in files:
        if not os.path.isfile(source):
            raise BedError(f"{source}: {'not a file' if os.path.exists(source) else 'no such file'}")
    size = max(SMALLEST, sum(os.path.getsize(source) for source, _ in files) * 5 // 4 + 32 * MIB)
    with open(image, "wb") as file:
        file.truncate(size)
    mtools("mformat", "-i", image, "-F", "-c", "8", "-h", "64", "-s", "32",
           "-T", str(size // 512), "-v", "CEDEBED", "::")
    made = set()
    for source, destination in files:
        destination = normalized(destination)
        for folder in parents(destination):
            if folder.lower() not in made:
                mtools("mmd", "-i", image, "::" + folder)
                made.add(folder.lower())
        mtools("mcopy", "-o", "-i", image, source, "::" + destination)
