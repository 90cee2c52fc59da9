"""What can go wrong in the knowledge base, split by what the caller can do about it.

    KnowledgeError
    ├── DocumentNotFound        no document has this id
    │   └── RevisionNotFound    the document has no revision of this number
    ├── InvalidDocument         the file or text cannot become a document: change it
    │   ├── UnreadableDocument  empty, binary, of an unknown kind, or with a wrong header
    │   ├── DocumentTooLarge    above the size limit
    │   └── SourceEmpty         a source's folder has no document any more
    ├── KnowledgeMoved          something else was published meanwhile: look again
    └── KnowledgeUnavailable    a store cannot be reached or used; the sentence names the remedy

Owns the tree. Refuses to know status codes. Every message is one sentence for people.
"""


class KnowledgeError(Exception):
    """Any error of the knowledge base."""


class DocumentNotFound(KnowledgeError):
    def __init__(self, document_id: str) -> None:
        super().__init__(
            f"There is no document {document_id!r}; list the documents to see the ids."
        )


class RevisionNotFound(DocumentNotFound):
    def __init__(self, document_id: str, number: int) -> None:
        KnowledgeError.__init__(
            self, f"Document {document_id!r} has no revision {number}; list its revisions."
        )


class InvalidDocument(KnowledgeError):
    """The file or text cannot become a document; `field` names which of the two, where the caller
    said so."""

    field: str | None = None


class UnreadableDocument(InvalidDocument):
    """Empty, binary, of an unknown kind, or with a wrong header."""


class DocumentTooLarge(InvalidDocument):
    def __init__(self, name: str, size: int, limit: int) -> None:
        super().__init__(
            f"{name} has {size / 1e6:.1f} MB and the limit is {limit / 1e6:.0f} MB; "
            "split it into several documents."
        )


class SourceEmpty(InvalidDocument):
    def __init__(self, source: str) -> None:
        super().__init__(
            f"The folder of {source} has no document any more; nothing was changed. Put the "
            "documents back, or retire them one by one."
        )


class KnowledgeMoved(KnowledgeError):
    def __init__(self) -> None:
        super().__init__("Something else was published meanwhile; look again, then publish.")


class KnowledgeUnavailable(KnowledgeError):
    """A store cannot be reached or used."""
