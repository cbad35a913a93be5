"""The words of the product as frozen structs and enums. Imports nothing but the standard library and msgspec."""
