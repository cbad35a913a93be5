"""From what the engine found and did to the documents that every format renders."""
