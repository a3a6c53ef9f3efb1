# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""CMS messages, read by pyasn1-modules."""

from pyasn1.codec.der import decoder, encoder
from pyasn1_modules import rfc5652

from . import der


def check_certs_only(message):
    """RFC 5272 4.1: SignedData without signers and content, DER, certificates in the order of a SET OF; their DER."""
    info, rest = decoder.decode(message, asn1Spec=rfc5652.ContentInfo())
    assert not rest, "octets behind the message"
    assert info["contentType"] == rfc5652.id_signedData
    signed, rest = decoder.decode(info["content"], asn1Spec=rfc5652.SignedData())
    assert not rest
    assert signed["version"] == 1
    assert len(signed["digestAlgorithms"]) == 0
    assert len(signed["signerInfos"]) == 0
    assert signed["encapContentInfo"]["eContentType"] == rfc5652.id_data
    assert not signed["encapContentInfo"]["eContent"].isValue
    # Lengths in their only form at each level: what is encoded again is what came
    assert encoder.encode(info) == message
    fields = der.children(bytes(info["content"]))
    certificates = [field for field in fields if field[0] == 0xA0]
    assert len(certificates) == 1
    found = der.children(certificates[0])
    assert found == sorted(found), "SET OF is not in DER order"
    return found
