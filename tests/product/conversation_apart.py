"""Run inside a network namespace: serves the product, has a conversation, prints the replies."""

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from tests.product.running import Customer, Product

product = Product(Path(sys.argv[1])).start()
try:
    customer = Customer(product.url)
    questions = [
        "How much is the fee for bringing my first pet?",
        "Thanks!",
        "I want to talk to a person",
    ]
    sys.stdout.write(json.dumps([customer.ask(question) for question in questions]) + "\n")
finally:
    product.stop()
