"""What became of customers' conversations: counted, paid for, reviewed."""
