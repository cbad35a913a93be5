"""What there is to do before there is an inventory: discover, take a first look, write a first inventory."""
