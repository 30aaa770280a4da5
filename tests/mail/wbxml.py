"""As much of WAP Binary XML as ActiveSync's FolderSync takes (MS-ASWBXML, code page 7): an element is (name, text or [elements])."""

HEAD = bytes([0x03, 0x01, 0x6A, 0x00])  # WBXML 1.3, no public identifier, UTF-8, no string table
SWITCH_PAGE, END, STRING, CONTENT = 0x00, 0x01, 0x03, 0x40
FOLDERS = 7
NAMES = {"DisplayName": 0x07, "ServerId": 0x08, "ParentId": 0x09, "Type": 0x0A, "Status": 0x0C, "Changes": 0x0E, "Add": 0x0F,
         "SyncKey": 0x12, "FolderSync": 0x16, "Count": 0x17}
TOKENS = {token: name for name, token in NAMES.items()}


def encode(element):
    return HEAD + bytes([SWITCH_PAGE, FOLDERS]) + _encode(element)


def _encode(element):
    name, content = element
    inner = bytes([STRING]) + content.encode() + b"\0" if isinstance(content, str) else b"".join(map(_encode, content))
    return bytes([NAMES[name] | CONTENT]) + inner + bytes([END])


def decode(data):
    if data[:6] != HEAD + bytes([SWITCH_PAGE, FOLDERS]):
        raise ValueError(f"no WBXML of folders: {data[:40]!r}")
    element, rest = _decode(data[6:])
    if rest:
        raise ValueError("more than one element")
    return element


def _decode(data):
    name = TOKENS[data[0] & ~CONTENT]
    if not data[0] & CONTENT:
        return (name, []), data[1:]
    data = data[1:]
    if data[0] == STRING:
        text, _, data = data[1:].partition(b"\0")
        content = text.decode()
    else:
        content = []
        while data[0] != END:
            element, data = _decode(data)
            content.append(element)
    if data[0] != END:
        raise ValueError(f"{name} does not end")
    return (name, content), data[1:]


def find(element, name):
    """All elements of that name, at any depth."""
    own = [element] if element[0] == name else []
    return own + [x for child in element[1] if not isinstance(element[1], str) for x in find(child, name)]
