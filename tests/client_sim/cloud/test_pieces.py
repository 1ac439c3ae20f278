"""Photos' pieces after a loss: encrypted with new keys, sent, and the former ones removed."""

import hashlib

import pytest

from client_sim.cloud.age import Identity
from client_sim.cloud.devices import rotate
from client_sim.cloud.errors import SealError, UnavailableError
from client_sim.cloud.kinds import decode_inner
from client_sim.cloud.owner_data import add_photo
from client_sim.cloud.photos import decode_photo, make_jpeg, open_piece
from client_sim.cloud.pieces import VAULT, find_identities, renew_pieces
from client_sim.persona import Photo
from tests.client_sim.cloud.phones import PASSWORD, set_again

FILES = [make_jpeg(Photo(f"{n}.jpg", f"-5.{n}", "110.2", 1_767_225_600 + n)) for n in (1, 2)]


def find_piece(phone, name):
    """Return a piece from the server, or None."""
    with phone.cloud.connect() as service:
        service.program = (phone.cloud.name, phone.cloud.store.get("program").decode())
        return service.blob("GET", f"{VAULT}/data/{name}")


def list_pieces(phone):
    """Return the server's pieces of the phone's photos, by name."""
    photos = [decode_photo(row.body) for row in phone.cloud.store.live("photo")]
    names = [piece.name for photo in photos for piece in photo.pieces]
    return {name: find_piece(phone, name) for name in names}


def test_renewed_pieces_have_new_keys(phone, second):
    """The former key opens none of the new pieces, and no former piece is left."""
    for number, data in enumerate(FILES):
        add_photo(phone.cloud, f"{number}.jpg", data)
    phone.sync()
    second.sync()
    before = list_pieces(phone)
    thief = Identity.decode(decode_inner(phone.cloud.store.live("keys")[0].body)["age"])
    rotate(phone.cloud, PASSWORD)
    assert renew_pieces(phone.cloud) == 2
    phone.sync()
    after = list_pieces(phone)
    assert len(after) == len(before) == 2
    assert not before.keys() & after.keys()
    assert not any(find_piece(phone, name) for name in before)
    for row in phone.cloud.store.live("photo"):
        (piece,) = decode_photo(row.body).pieces
        data = open_piece(piece, after[piece.name], find_identities(phone.cloud)[0])
        assert hashlib.sha256(data).hexdigest() == decode_photo(row.body).sha256
        with pytest.raises(SealError):
            open_piece(piece, after[piece.name], thief)
    second.cloud.forget_login()
    set_again(second, second.cloud.regions["id"], phone.cloud.name, "photo")
    for file in (second.cloud.store.folder / "photos").iterdir():
        file.unlink()
    second.sync()
    assert len(list((second.cloud.store.folder / "photos").iterdir())) == 2


def test_former_pieces_stay_until_all_new_ones_are_sent(phone):
    """Former pieces are removed only once a synchronisation has sent all new ones."""
    add_photo(phone.cloud, "1.jpg", FILES[0])
    phone.sync()
    (name,) = list_pieces(phone)
    renew_pieces(phone.cloud)

    def cut(data):
        if b"POST /blobs/photos/data/" in data:
            raise OSError("cut")

    phone.wire.before_send = cut
    with pytest.raises(UnavailableError):
        phone.sync()
    phone.wire.before_send = None
    assert find_piece(phone, name) is not None
    phone.sync()
    assert find_piece(phone, name) is None
    assert len(list_pieces(phone)) == 1
