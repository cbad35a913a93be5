"""The words of a diagnosis: every cause as a row of one table. A new verdict is a row here and the reader that shows it."""
