"""A mail server's two faces, enough for real clients: SMTP on 25 takes anything, IMAP on 143 shows one mailbox."""

import asyncio

LETTER = b"From: a@example\r\nSubject: figures\r\n\r\n" + b"All as agreed; see the table below.\r\n" * 60


async def smtp(reader, writer):
    """Greets, takes the letters, says 250."""
    writer.write(b"220 mail ESMTP\r\n")
    while line := await reader.readline():
        word = line[:4].upper()
        if word == b"DATA":
            writer.write(b"354 go on\r\n")
            await writer.drain()
            while (await reader.readline()) not in (b".\r\n", b""):
                pass
            writer.write(b"250 2.0.0 queued\r\n")
        elif word == b"EHLO":
            writer.write(b"250-mail\r\n250-SIZE 10240000\r\n250 8BITMIME\r\n")
        elif word == b"QUIT":
            writer.write(b"221 2.0.0 bye\r\n")
            break
        else:
            writer.write(b"250 2.1.0 ok\r\n")
        await writer.drain()
    await close(writer)


async def imap(reader, writer):
    """Answers LOGIN, SELECT, FETCH, NOOP, IDLE and LOGOUT."""
    writer.write(b"* OK IMAP4rev1 ready\r\n")
    while line := await reader.readline():
        tag, _, rest = line.strip().partition(b" ")
        word = rest.split(b" ")[0].upper()
        if word == b"CAPABILITY":
            writer.write(b"* CAPABILITY IMAP4rev1 IDLE\r\n")
        elif word in (b"SELECT", b"EXAMINE"):
            writer.write(b"* 9 EXISTS\r\n* 1 RECENT\r\n* FLAGS (\\Seen)\r\n")
        elif word == b"FETCH":
            body = LETTER * (1 + len(rest) % 7)
            writer.write(b"* 1 FETCH (BODY[] {%d}\r\n" % len(body) + body + b")\r\n")
        elif word == b"SEARCH":
            writer.write(b"* SEARCH 1 2 3 4\r\n")
        writer.write(tag + b" OK done\r\n")
        await writer.drain()
        if word == b"LOGOUT":
            break
    await close(writer)


async def close(writer):
    """Closes, whether or not the client is still there."""
    try:
        await writer.drain()
        writer.close()
    except OSError:
        pass


async def main():
    """Serves until it is ended."""
    servers = [await asyncio.start_server(smtp, "0.0.0.0", 25), await asyncio.start_server(imap, "0.0.0.0", 143)]
    await asyncio.gather(*(server.serve_forever() for server in servers))


asyncio.run(main())
