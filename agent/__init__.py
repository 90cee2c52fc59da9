"""Frontdesk: an AI customer-service agent that runs in a company's own house."""
