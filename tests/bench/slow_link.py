#!/usr/bin/env python3
"""A slow link: what comes in at a port of 127.0.0.1 goes on to HOST:PORT, and back, DELAY seconds later each way.

slow_link.py LISTEN HOST PORT DELAY. At the end (SIGTERM) it prints, for each connection, how often the side that listens
had to wait for an answer, and the bytes in both directions.
"""
import asyncio
import signal
import sys

listen, host, port, delay = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), float(sys.argv[4])
counts = []


async def carry(reader, writer, count, direction):
    loop = asyncio.get_running_loop()
    queue = asyncio.Queue()

    async def write():
        while True:
            due, data = await queue.get()
            await asyncio.sleep(max(0, due - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    writing = asyncio.create_task(write())
    try:
        while data := await reader.read(65536):
            # A question after an answer is a new turn.
            if direction == "out" and count["last"] != "out":
                count["turns"] += 1
            count["last"] = direction
            count[direction] += len(data)
            queue.put_nowait((loop.time() + delay, data))
    except (ConnectionError, asyncio.CancelledError):
        pass
    queue.put_nowait((loop.time() + delay, b""))
    await asyncio.gather(writing, return_exceptions=True)


async def connection(reader, writer):
    count = {"turns": 0, "out": 0, "in": 0, "last": None}
    counts.append(count)
    there, back = await asyncio.open_connection(host, port)
    await asyncio.gather(
        carry(reader, back, count, "out"), carry(there, writer, count, "in"), return_exceptions=True
    )


async def main():
    server = await asyncio.start_server(connection, "127.0.0.1", listen)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    await ended.wait()
    server.close()
    for count in counts:
        print(f"turns {count['turns']} out {count['out']} in {count['in']}")


try:
    asyncio.run(main())
except asyncio.CancelledError:
    pass
