"""A small trading gateway: REST and WebSocket as CEX.IO's, FIX 4.4, an exchange in memory behind them.

It shows where a gateway asks Countersign's verifier, and what it does with the answers.
"""
