"""Hostile HTTP requests and what the server must answer: data only, for whichever test sends them.

Each row is a connection of its own. `sends` is what goes out, in order: bytes, or a pause in seconds. The server
must answer `status` (a tuple: one for each answer expected, in order; 0 = it closes without a word) and then close,
unless `stays`. With `says`, that text is in the body of the last answer. `limit` is how many seconds the server may
take, for clients whose crime is to be slow; all others are answered at once.

A row with several statuses begins with good requests: what comes after them must not have been taken for a part of
them. Good requests go to /health, so that they need no token and no session.
"""

from dataclasses import dataclass

CRLF = b"\r\n"
HOST = b"Host: localhost\r\n"
GOOD = b"GET /health HTTP/1.1\r\n" + HOST + CRLF
#: What an attacker would smuggle: were it seen as a request, there would be one more answer.
SMUGGLED = b"GET /smuggled HTTP/1.1\r\n" + HOST + CRLF
BODY = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


def post(*fields, body=b""):
    """A POST to /mcp with these extra fields."""
    head = [b"POST /mcp HTTP/1.1", b"Host: localhost", b"Content-Type: application/json"]
    head += [b"Accept: application/json, text/event-stream", *fields]
    return CRLF.join(head) + CRLF + CRLF + body


def get(line=b"GET /health HTTP/1.1", *fields):
    """A GET with another request line, and other fields than Host if any are given."""
    return CRLF.join([line, *(fields or (b"Host: localhost",))]) + CRLF + CRLF


def chunks(raw, *fields):
    """A chunked POST with the body as given."""
    return post(b"Transfer-Encoding: chunked", *fields, body=raw)


@dataclass(frozen=True)
class Hostile:
    name: str
    sends: tuple
    status: tuple = (400,)
    says: str = ""
    stays: bool = False
    limit: float = 5.0


def row(name, *sends, status=400, **more):
    return Hostile(name, sends, status if isinstance(status, tuple) else (status,), **more)


def length(value):
    return b"Content-Length: " + value


LENGTHS = [
    row("two different lengths", post(length(b"40"), length(b"0"), body=BODY), says="Content-Length"),
    row("two equal lengths", post(length(b"40"), length(b"40"), body=BODY)),
    row("a list of lengths", post(length(b"40, 40"), body=BODY)),
    row("a length with a plus", post(length(b"+40"), body=BODY)),
    row("a negative length", post(length(b"-40"), body=BODY)),
    row("a hexadecimal length", post(length(b"0x28"), body=BODY)),
    row("an octal length", post(length(b"050"), body=BODY)),
    row("a length with an exponent", post(length(b"4e1"), body=BODY)),
    row("a length with a blank inside", post(length(b"4 0"), body=BODY)),
    row("a length with a tab before it", post(b"Content-Length:\t40", body=BODY)),
    row("a length with a blank after it", post(length(b"40 "), body=BODY)),
    row("an empty length", post(length(b""), body=BODY)),
    row("a length in Arabic digits", post(length("٤٠".encode()), body=BODY)),
    row("a length that wraps at 2^64", post(length(b"18446744073709551656"), body=BODY)),
    row("a length of a hundred digits", post(length(b"9" * 100))),
    row("a length with an underscore in its name", post(b"Content_Length: 40", body=BODY)),
    row("a body with GET", get(b"GET /health HTTP/1.1", b"Host: localhost", length(b"40")) + BODY),
    row("a body with HEAD", get(b"HEAD /health HTTP/1.1", b"Host: localhost", length(b"40")) + BODY),
]

ENCODINGS = [
    row("CL.TE", chunks(b"0\r\n\r\n" + SMUGGLED, length(b"5")), says="Transfer-Encoding"),
    row("TE.CL", post(length(b"4"), b"Transfer-Encoding: chunked", body=b"5c\r\n" + SMUGGLED)),
    row("TE.TE with an unknown one", chunks(b"0\r\n\r\n" + SMUGGLED, b"Transfer-Encoding: cow")),
    row("TE.TE with another name in another case", chunks(b"0\r\n\r\n", b"transfer-ENCODING: identity")),
    row("chunked twice", post(b"Transfer-Encoding: chunked, chunked", body=b"0\r\n\r\n")),
    row("gzip before chunked", post(b"Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n")),
    row("chunked before identity", post(b"Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n")),
    row("identity", post(b"Transfer-Encoding: identity", length(b"40"), body=BODY)),
    row(
        "chunked with a capital and a length",
        post(b"Transfer-Encoding: Chunked", length(b"5"), body=b"0\r\n\r\n"),
    ),
    row("chunked misspelt", post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n")),
    row("chunked in quotes", post(b'Transfer-Encoding: "chunked"', body=b"0\r\n\r\n")),
    row("chunked with a parameter", post(b"Transfer-Encoding: chunked;q=1", body=b"0\r\n\r\n")),
    row("chunked after a tab", post(b"Transfer-Encoding:\tchunked", body=b"0\r\n\r\n")),
    row("chunked after a vertical tab", post(b"Transfer-Encoding:\x0bchunked", body=b"0\r\n\r\n")),
    row("chunked before a blank", post(b"Transfer-Encoding: chunked ", body=b"0\r\n\r\n")),
    row("chunked on a folded line", post(b"Transfer-Encoding:\r\n chunked", body=b"0\r\n\r\n")),
    row("a blank before the colon of the encoding", post(b"Transfer-Encoding : chunked", body=b"0\r\n\r\n")),
    row("an empty encoding", post(b"Transfer-Encoding:", length(b"40"), body=BODY)),
    row("an encoding with an underscore in its name", post(b"Transfer_Encoding: chunked", body=b"0\r\n\r\n")),
    row(
        "an encoding hidden behind a bare line feed",
        post(b"X: y\nTransfer-Encoding: chunked", body=b"0\r\n\r\n"),
    ),
    row(
        "an encoding hidden behind a bare return",
        post(b"X: y\rTransfer-Encoding: chunked", body=b"0\r\n\r\n"),
    ),
    row("chunked in HTTP/1.0", chunks(b"0\r\n\r\n").replace(b"HTTP/1.1", b"HTTP/1.0")),
]

CHUNKS = [
    row("a chunk extension", chunks(b"28;a=b\r\n" + BODY + b"\r\n0\r\n\r\n"), says="extensions"),
    row("a chunk extension with a line feed", chunks(b'28;a="\n"\r\n' + BODY + b"\r\n0\r\n\r\n")),
    row("a chunk size with 0x", chunks(b"0x28\r\n" + BODY + b"\r\n0\r\n\r\n")),
    row("a chunk size with a sign", chunks(b"+28\r\n" + BODY + b"\r\n0\r\n\r\n")),
    row("a negative chunk size", chunks(b"-1\r\n" + BODY + b"\r\n0\r\n\r\n")),
    row("a blank before a chunk size", chunks(b" 28\r\n" + BODY + b"\r\n0\r\n\r\n")),
    row("a blank after a chunk size", chunks(b"28 \r\n" + BODY + b"\r\n0\r\n\r\n")),
    row("a chunk size that wraps at 2^64", chunks(b"10000000000000028\r\n" + BODY + b"\r\n0\r\n\r\n")),
    row("a chunk size of many zeros", chunks(b"0" * 64 + b"28\r\n" + BODY + b"\r\n0\r\n\r\n")),
    row("no chunk size", chunks(b"\r\n" + BODY + b"\r\n0\r\n\r\n")),
    row("a chunk longer than its size", chunks(b"3\r\nabcd\r\n0\r\n\r\n")),
    row("a chunk shorter than its size", chunks(b"5\r\nabc\r\n0\r\n\r\n")),
    row("a chunk size ended by a bare line feed", chunks(b"3\nabc\r\n0\r\n\r\n")),
    row("a chunk ended by a bare line feed", chunks(b"3\r\nabc\n0\r\n\r\n")),
    row("the last chunk ended by bare line feeds", chunks(b"0\n\n")),
    row("a trailer field", chunks(b"28\r\n" + BODY + b"\r\n0\r\nX: y\r\n\r\n"), says="Trailer"),
    row("a trailer that frames", chunks(b"0\r\nContent-Length: 50\r\n\r\n" + SMUGGLED)),
]

HEADS = [
    row("no Host", get(b"GET /health HTTP/1.1", b"X: y"), says="Host"),
    row("two Hosts", get(b"GET /health HTTP/1.1", b"Host: localhost", b"Host: evil.example")),
    row("two equal Hosts", get(b"GET /health HTTP/1.1", b"Host: localhost", b"host: localhost")),
    row("a list of Hosts", get(b"GET /health HTTP/1.1", b"Host: localhost, evil.example")),
    row("a Host with a user", get(b"GET /health HTTP/1.1", b"Host: localhost@evil.example")),
    row("a Host with a path", get(b"GET /health HTTP/1.1", b"Host: localhost/x")),
    row("a Host with a port beyond all ports", get(b"GET /health HTTP/1.1", b"Host: localhost:99999")),
    row("an empty Host", get(b"GET /health HTTP/1.1", b"Host:")),
    row("a blank before the colon", get(b"GET /health HTTP/1.1", b"Host : localhost")),
    row("a folded field", get(b"GET /health HTTP/1.1", b"Host: localhost", b"X: a", b" b")),
    row("a first field that is folded", get(b"GET /health HTTP/1.1", b" X: a", b"Host: localhost")),
    row("a NUL in a value", get(b"GET /health HTTP/1.1", b"Host: localhost", b"X: a\0b")),
    row("a NUL in a name", get(b"GET /health HTTP/1.1", b"Host: localhost", b"X\0: a")),
    row("a control character in a value", get(b"GET /health HTTP/1.1", b"Host: localhost", b"X: \x1b[2J")),
    row("a name with a blank", get(b"GET /health HTTP/1.1", b"Host: localhost", b"X Y: a")),
    row("a name beyond ASCII", get(b"GET /health HTTP/1.1", b"Host: localhost", "X-é: a".encode())),
    row("a field without a name", get(b"GET /health HTTP/1.1", b"Host: localhost", b": a")),
    row("a line without a colon", get(b"GET /health HTTP/1.1", b"Host: localhost", b"nonsense")),
    row("bare line feeds throughout", b"GET /health HTTP/1.1\nHost: localhost\n\n"),
    row("bare returns throughout", b"GET /health HTTP/1.1\rHost: localhost\r\r"),
    row(
        "two Authorizations",
        post(b"Authorization: Bearer a", b"Authorization: Bearer b", length(b"40"), body=BODY),
    ),
    row(
        "two Origins",
        post(b"Origin: http://localhost", b"Origin: http://evil.example", length(b"40"), body=BODY),
    ),
    row("two Content-Types", post(b"Content-Type: text/plain", length(b"40"), body=BODY)),
    row("Connection names the length", post(b"Connection: Content-Length", length(b"40"), body=BODY)),
    row(
        "Connection names the authorization",
        get(b"GET /health HTTP/1.1", b"Host: a", b"Connection: authorization"),
    ),
    row("an unknown expectation", post(b"Expect: 200-maybe", length(b"40"), body=BODY), status=417),
]

REQUEST_LINES = [
    row("HTTP/0.9", b"GET /health\r\n"),
    row("HTTP/1.2", get(b"GET /health HTTP/1.2"), status=505),
    row("HTTP/2.0", get(b"GET /health HTTP/2.0"), status=505),
    row("the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", status=505),
    row("a version in small letters", get(b"GET /health http/1.1")),
    row("a version with more digits", get(b"GET /health HTTP/1.10")),
    row("another protocol", get(b"GET /health ICY/1.1")),
    row("a blank after the version", get(b"GET /health HTTP/1.1 ")),
    row("two blanks", get(b"GET  /health HTTP/1.1")),
    row("tabs for blanks", get(b"GET\t/health\tHTTP/1.1")),
    row("a blank in the target", get(b"GET /hea lth HTTP/1.1")),
    row("an empty line first", CRLF + GOOD),
    row("a blank first", b" " + GOOD),
    row("an absolute target", get(b"GET http://evil.example/health HTTP/1.1")),
    row("a target with two slashes", get(b"GET //evil.example/health HTTP/1.1")),
    row("an asterisk", get(b"OPTIONS * HTTP/1.1")),
    row("a fragment", get(b"GET /health#x HTTP/1.1")),
    row("a backslash in the target", get(b"GET /..\\health HTTP/1.1")),
    row("a broken escape in the target", get(b"GET /%zz HTTP/1.1")),
    row("a NUL in the target", get(b"GET /health\0 HTTP/1.1")),
    row("a target beyond ASCII", get("GET /hëalth HTTP/1.1".encode())),
    row("a return in the request line", get(b"GET /health HTTP/1.1\rX: y")),
    row("CONNECT", get(b"CONNECT evil.example:443 HTTP/1.1"), status=501),
    row("TRACE", get(b"TRACE /health HTTP/1.1"), status=501),
    row("an invented method", get(b"BREW /health HTTP/1.1"), status=501),
    row("a method in small letters", get(b"get /health HTTP/1.1"), status=501),
    row("a method that is no token", get(b"GE{T /health HTTP/1.1")),
    row("TLS to a plain port", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32), says="TLS"),
    row("JSON without HTTP", BODY + b"\n"),
    row("another protocol's greeting", b"SSH-2.0-OpenSSH_9.2p1\r\n"),
]

SIZES = [
    row("a target of 9,000 bytes", get(b"GET /" + b"a" * 9000 + b" HTTP/1.1"), status=414),
    row("a target without end", b"GET /" + b"a" * 40000, status=414),
    row(
        "a field of 20,000 bytes",
        get(b"GET /health HTTP/1.1", b"Host: localhost", b"X: " + b"a" * 20000),
        status=431,
    ),
    row("a field without end", b"GET /health HTTP/1.1\r\nX: " + b"a" * 40000, status=431),
    row("101 fields", get(b"GET /health HTTP/1.1", b"Host: localhost", *[b"X: y"] * 100), status=431),
    row("a method without end", b"A" * 1000, status=501),
    row("a body announced too large", post(length(b"4194305")), status=413),
    row("a body announced far too large", post(length(b"900000000000000000")), status=413),
    row(
        "a body announced too large by a client that waits",
        post(b"Expect: 100-continue", length(b"4194305")),
        status=413,
    ),
    row("a chunk announced too large", chunks(b"400001\r\n"), status=413),
    row(
        "chunks too large together",
        chunks((b"100000\r\n" + b" " * 0x100000 + CRLF) * 4 + b"1\r\n"),
        status=413,
    ),
]

#: What follows a good request on the same connection is judged for itself.
SEQUENCES = [
    row("a bad request after a good one", GOOD + get(b"GET /health HTTP/1.1", b"X: y"), status=(200, 400)),
    row(
        "a bad request after two good ones, in pieces",
        GOOD[:10],
        0.05,
        GOOD[10:] + GOOD + b"GET /hea",
        0.05,
        b"lth HTTP/3.0\r\n",
        status=(200, 200, 505),
    ),
    row("an empty line between requests", GOOD + CRLF + GOOD, status=(200, 400)),
    row(
        "a request hidden behind a short length",
        get(b"DELETE /nothing HTTP/1.1", b"Host: localhost", length(b"0"))
        + b"XGET /smuggled HTTP/1.1\r\n\r\n",
        status=(404, 501),
    ),
    row("a request in pieces of one byte", *[bytes([b]) for b in get(b"GET /health HTTP/1.1", b"X : y")]),
    row("good requests in one piece stay good", GOOD * 3, status=(200, 200, 200), stays=True),
    row(
        "an offer of HTTP/2 is ignored",
        get(
            b"GET /health HTTP/1.1",
            b"Host: localhost",
            b"Connection: Upgrade, HTTP2-Settings",
            b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA",
        ),
        status=200,
        stays=True,
    ),
    row("HTTP/1.0 ends after its answer", get(b"GET /health HTTP/1.0"), status=200),
    row("a probe without Host in HTTP/1.0", get(b"GET /health HTTP/1.0", b"X: y"), status=200),
    row("no Host in HTTP/1.0", get(b"GET / HTTP/1.0", b"X: y"), status=403),
    row(
        "a message without Host in HTTP/1.0",
        post(length(b"40"), body=BODY).replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"Host: localhost\r\n", b""),
        status=403,
    ),
    row(
        "a client that asks for the end gets it",
        get(b"GET /health HTTP/1.1", b"Host: localhost", b"Connection: close") + SMUGGLED,
        status=200,
    ),
]

#: Clients that are slow on purpose. The limits are the server's defaults: 10 s for the first byte and for a head,
#: 60 s for a whole request.
SLOW = [
    row("a client that says nothing", 0.0, status=0, limit=15),
    row(
        "a head that drips",
        GOOD[:10],
        *[x for b in GOOD[10:34] for x in (0.6, bytes([b]))],
        status=408,
        limit=15,
    ),
    row("a head that stops", GOOD[:-2], status=408, limit=15),
    row("a second head that stops", GOOD + GOOD[:-2], status=(200, 408), limit=15),
    row("a body that stops", post(length(b"40"), body=BODY[:-1]), status=408, limit=65),
    row(
        "a chunk size that drips",
        chunks(b""),
        *[x for _ in range(7) for x in (9.0, b"0")],
        status=408,
        limit=65,
    ),
]

ALL = LENGTHS + ENCODINGS + CHUNKS + HEADS + REQUEST_LINES + SIZES + SEQUENCES
