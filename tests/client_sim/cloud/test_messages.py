"""Messages: elements of SMS Backup & Restore, preserved from import to export."""

import pytest

from client_sim.cloud.errors import RecordError
from client_sim.cloud.messages import describe_message, find_date, join_messages, split_messages
from tests.cases import case

FILE = b"""<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>
<!-- made by a program -->
<smses count="3" backup_set="x">
  <sms protocol="0" address="+999 1" date="1700000000000" type="1"
    body="Halo &#55357;&#56832; &amp;&#10;two" />
  <sms address="+999 1" date="1600000000000" type="2" body="earlier" x_unknown="kept" />
  <mms date="1650000000000" msg_box="1" address="+9992">
    <parts><part seq="0" ct="image/jpeg" data="/9j/" /></parts></mms>
</smses>
"""


def test_import_and_export_keep_all_attributes():
    """Messages are sorted by time and keep all attributes; an exported file is read back equal."""
    found = split_messages(FILE)
    assert len(found) == 3
    assert "Halo \N{GRINNING FACE} &amp;&#xA;two".encode() in found[0]
    assert b'x_unknown="kept"' in found[1]
    assert b'data="/9j/"' in found[2]
    again = split_messages(join_messages(found))
    assert again == sorted(found, key=find_date)
    assert join_messages(again) == join_messages(found)


def test_order_of_attributes_does_not_matter():
    """Two imports of a file give one message."""
    one, other = (
        split_messages(b"<smses>" + element + b"</smses>")
        for element in (b'<sms date="1" body="x"/>', b"<sms body='x' date='1'></sms>")
    )
    assert one == other


def test_a_message_is_named_by_time_and_number():
    """A message is named by time and number, for display."""
    assert (
        describe_message(split_messages(FILE)[1]) == "the message of 2020-09-13 12:26 with +999 1"
    )


def test_other_files_are_refused():
    """Truncated files, other exports, other formats, entities and half characters are refused."""
    for data in (
        b"<smses>",
        b"<calls/>",
        b"not XML",
        b'<!DOCTYPE x [<!ENTITY a "b">]><smses/>',
        b'<smses><sms body="&#55357;"/></smses>',
    ):
        with case(data), pytest.raises(RecordError):
            split_messages(data)
