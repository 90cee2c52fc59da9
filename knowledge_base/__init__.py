"""Company policies as a searchable library: documents with revisions, published in generations.

Usable alone: `Library.open(KnowledgeSettings(data_dir=...), embeddings, "name")`. Owns documents,
their passages and the search. Refuses to know conversations, models and the service around it.
Invariant: importing it opens nothing and reads nothing.
"""
