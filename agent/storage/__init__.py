"""Where conversations live (Redis or Valkey) and where what outlives them is kept (SQL)."""
