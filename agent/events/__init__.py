"""What happened in a conversation: the names of events, what they amount to, how readers follow."""
