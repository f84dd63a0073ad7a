"""Edits of the YAML that keep comments, order and every line that they do not concern.

    document = read_document(path)
    document = edit(document, [Set("sync.interval", 5), AddSite({"sync_id": 4, "name": "Dorsi"})])
    save(document)

`edit` writes nothing: `document.settings` is what would be in force, so that a plan can be shown before `save`.
"""

from msyncd.settings.editing.edits import AddSite, Edit, RemoveSite, Set, SetSite, Unset, UnsetSite
from msyncd.settings.editing.file import CannotWrite, ChangedUnderneath, Document, edit, read_document, save
from msyncd.settings.editing.splice import EditRefused
from msyncd.settings.editing.writing import Value, literal

__all__ = [
    "AddSite",
    "CannotWrite",
    "ChangedUnderneath",
    "Document",
    "Edit",
    "EditRefused",
    "RemoveSite",
    "Set",
    "SetSite",
    "Unset",
    "UnsetSite",
    "Value",
    "edit",
    "literal",
    "read_document",
    "save",
]
