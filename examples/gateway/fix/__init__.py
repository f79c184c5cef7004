"""A FIX 4.4 acceptor: sessions (FIX 4.4, volume 2) over asyncio, with simplefix for the messages."""
