"""What items do to what a device keeps (PROTOCOL.device sections 6 and 7)."""

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

import cms
from keeper import LAST_ACKNOWLEDGEMENTS, spki
from records import (ACKNOWLEDGEMENT, APPS, CHAIN, ITEM, Malformed, PINS, SEALED, SEALED_LABEL, labelled, need,
                     sha256)

APPLIED, BAD_PAYLOAD, OLD_NUMBER, NO_KEY, BAD_SEALED = 0, 1, 2, 3, 4
AUTHENTICATION, SIGNING, ENCRYPTION, DECRYPTION = 1, 2, 3, 4


class NotBelieved(Exception):
    """An item that was altered, or is for another device: nothing is changed, nothing acknowledged."""


class Refused(Exception):
    def __init__(self, status, detail):
        super().__init__(detail)
        self.status, self.detail = status, detail


def verified(state, signed, payload):
    """The item's fields, if it was made for this device."""
    try:
        key = Ed25519PublicKey.from_public_bytes(bytes.fromhex(state["delivery public"]))
        key.verify(signed.signature, labelled("derivd item v1", signed.body))
        item = ITEM.read(signed.body)
        need(item["deployment"].hex() == state["deployment"], "for another deployment")
        need(item["device"].hex() == state["identity"], "for another device")
        need(item["digest"] == sha256(payload) and item["length"] == len(payload), "another payload")
    except (InvalidSignature, Malformed) as e:
        raise NotBelieved(str(e) or "the signature does not hold") from None
    return item


def same_kind(a, b):
    """A key for encryption counts for decryption and the other way round."""
    return a == b or {a, b} == {ENCRYPTION, DECRYPTION}


def makes_itself(state, purpose):
    return purpose != DECRYPTION and any(k["purpose"] == purpose and k["made"] == "device" for k in state["keys"])


def became_whole(state, entry):
    """Earlier credentials of the purpose are replaced."""
    if entry["purpose"] == DECRYPTION:
        return
    for other in [k for k in state["keys"] if k is not entry and k["purpose"] == entry["purpose"] and k["certificate"]]:
        if entry["purpose"] == ENCRYPTION:
            other["purpose"] = DECRYPTION
        else:
            state["keys"].remove(other)
    # The newest one stands last.
    state["keys"].remove(entry)
    state["keys"].append(entry)


def apply_certificate(keeper, state, item, payload):
    try:
        name = sha256(spki(x509.load_der_x509_certificate(payload))).hex()
    except ValueError as e:
        raise Refused(BAD_PAYLOAD, f"no certificate: {e}") from None
    for entry in state["keys"]:
        if entry["hash"] == name and same_kind(entry["purpose"], item["purpose"]):
            entry["certificate"] = payload.hex()
            if entry.get("predecessor"):
                state["predecessor"] = entry["predecessor"]
            became_whole(state, entry)
            return
    if makes_itself(state, item["purpose"]):
        raise Refused(NO_KEY, "there is no such key here")
    state["certificates"].append({"purpose": item["purpose"], "key": name, "certificate": payload.hex()})


def apply_sealed(keeper, state, item, payload):
    purpose = item["purpose"]
    if makes_itself(state, purpose):
        raise Refused(BAD_SEALED, "this device makes its keys for this purpose itself")
    certificate = x509.load_der_x509_certificate(bytes.fromhex(state["sealing certificate"]))
    key_id = certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
    try:
        content = SEALED.read(cms.open_sealed(payload, keeper.key(state["sealing"]), key_id))
        need(content["label"] == SEALED_LABEL, "another label")
        need(content["deployment"] == item["deployment"] and content["purpose"] == purpose, "sealed for something else")
        key = cms.private_key(content["key"])
        need(sha256(spki(key)) == content["key hash"], "another key than it says")
    except Malformed as e:
        raise Refused(BAD_SEALED, str(e)) from None
    entry = {"purpose": purpose, "hash": keeper.store_key(key), "made": "server", "certificate": ""}
    state["keys"] = [k for k in state["keys"] if k["hash"] != entry["hash"]] + [entry]
    for waiting in list(state["certificates"]):
        if waiting["key"] == entry["hash"] and same_kind(waiting["purpose"], purpose):
            state["certificates"].remove(waiting)
            entry["certificate"] = waiting["certificate"]
            became_whole(state, entry)


def read_payload(kind, payload):
    try:
        return kind.read(payload)
    except Malformed as e:
        raise Refused(BAD_PAYLOAD, str(e)) from None


def apply_chain(keeper, state, item, payload):
    chain = read_payload(CHAIN, payload)
    for der in chain:
        try:
            x509.load_der_x509_certificate(der)
        except ValueError as e:
            raise Refused(BAD_PAYLOAD, f"no certificate: {e}") from None
    state["chain"] = [der.hex() for der in chain]


def apply_pins(keeper, state, item, payload):
    pins = read_payload(PINS, payload)
    if pins["deployment"] != item["deployment"] or pins["epoch"] < state.get("pins epoch", 0):
        raise Refused(BAD_PAYLOAD, f"pin set {pins['epoch']}")
    state["pins"], state["pins epoch"] = [pin.hex() for pin in pins["pins"]], pins["epoch"]


def apply_apps(keeper, state, item, payload):
    apps = read_payload(APPS, payload)
    try:
        state["apps"] = [{"name": a["name"], "type": a["type"], "text": a["text"].decode()} for a in apps]
    except UnicodeDecodeError:
        raise Refused(BAD_PAYLOAD, "a text that is not UTF-8") from None


def apply_removal(keeper, state, item, payload):
    if payload:
        for where in ("keys", "certificates"):
            state[where] = [c for c in state[where] if c["certificate"] != payload.hex()]
        return
    state.update({"keys": [], "certificates": [], "chain": [], "apps": [], "enrolled": False, "removed": True, "seed": None,
                  "issue": None})


APPLY = {1: apply_certificate, 2: apply_sealed, 3: apply_chain, 4: apply_pins, 5: apply_apps, 6: apply_removal}


def acknowledgement(keeper, state, signed, item, status, detail):
    data = ACKNOWLEDGEMENT.write({"device": item["device"], "item id": item["item id"], "number": item["number"],
                                  "item": sha256(signed.body), "status": status, "detail": detail})
    key = keeper.key(state["identity"])
    signature = key.sign(labelled("derivd acknowledgement v1", data), ec.ECDSA(hashes.SHA256()))
    return {"number": item["number"], "item": sha256(signed.body).hex(), "acknowledgement": data.hex(),
            "signature": signature.hex()}


def receive(keeper, state, signed, payload):
    """Changes the state by one item. Returns (item, acknowledgement, status); status is None if it was had before."""
    item = verified(state, signed, payload)
    for known in state["acknowledgements"]:
        if known["number"] == item["number"] and known["item"] == sha256(signed.body).hex():
            return item, known, None
    status, detail = APPLIED, ""
    if item["number"] <= state["last number"]:
        status, detail = OLD_NUMBER, "an old number"
    else:
        try:
            APPLY[item["kind"]](keeper, state, item, payload)
        except Refused as e:
            status, detail = e.status, e.detail
        state["last number"] = item["number"]
    made = acknowledgement(keeper, state, signed, item, status, detail[:200])
    state["acknowledgements"] = [*state["acknowledgements"], made][-LAST_ACKNOWLEDGEMENTS:]
    return item, made, status
