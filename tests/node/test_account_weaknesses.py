"""What a thief wrote into the account before its device was ended, and what it must not be good for afterwards."""

import pytest

from crdt import keys
from crdt.thread import set_shared
from node.affairs import read_affairs
from tests.crdt.test_revocation import end, owner_with
from tests.crdt.world import SHARED, pass_round


@pytest.mark.xfail(strict=True, reason="S-04: the recovery key is a plain value of the account, and nobody signs it")
def test_a_recovery_key_that_a_thief_wrote_is_not_wrapped_to_once_its_device_is_ended() -> None:
    owner, (laptop, phone) = owner_with("phone")
    evil = keys.AgreementKey.from_secret(b"the private half is the thief's.").public
    laptop.kept(
        laptop.replica.commit(
            SHARED, lambda doc: set_shared(doc, "keys", {"recovery": owner.root.recovery.public.hex()})
        )
    )
    pass_round(laptop, phone)
    phone.kept(phone.replica.commit(SHARED, lambda doc: set_shared(doc, "keys", {"recovery": evil.hex()})))
    pass_round(laptop, phone)
    end(laptop, owner, "phone")
    assert read_affairs(laptop.replica, owner.id, {}).recovery == owner.root.recovery.public
