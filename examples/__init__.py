"""Examples of what is built on Countersign; none of them is part of it."""
