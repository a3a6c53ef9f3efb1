# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""
Policies by chance, as rows of the tables, all of which the database takes and the module understands. A name of the small
world below matches many patterns of it, so that requests are as often good as nearly good.
"""

import datetime

HOSTS = ("a", "b", "web-1", "www")
DOMAINS = ("plant.example", "lab.plant.example", "office.example", "Example.ORG")
ORGANIZATIONS = ("Example", "Example Works", "Other")
ATTRIBUTES = ("CN", "O", "OU", "C", "L", "ST", "serialNumber", "UID", "title", "emailAddress", "description", "DC")
VALUE_PATTERNS = {
    "CN": ("**", "*.plant.example", "**.plant.example", "web-?.*.example", "dev-???", "*"),
    "O": ("**", "Example", "Example*"), "OU": ("**", "floor ?"), "C": ("**", "DE", "?E"), "L": ("**", "B*n"), "ST": ("**",),
    "serialNumber": ("**", "SN-*", "SN-????"), "UID": ("**", "u*"), "title": ("**",), "emailAddress": ("**", "*@*.example"),
    "description": ("**", "*pump*"), "DC": ("**", "example"),
}
SAN_PATTERNS = {
    "dns": ("**", "*.plant.example", "**.plant.example", "?.office.example", "**.example.org", "*"),
    "ip": ("**", "10.0.0.0/8", "192.0.2.0/24", "2001:db8::/32"), "email": ("**", "*@plant.example", "**@**.example"),
    "uri": ("**", "https://*.plant.example/**", "urn:**", "https://**"),
}
KEYS = ("rsa:2048", "rsa:2048-4096", "ec:P-256", "ec:P-256,P-384", "ec:P-521", "ed25519", "ed448")
USAGES = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement")
PURPOSES = ("serverAuth", "clientAuth", "codeSigning", "emailProtection", "ipsecIKE", "msSmartcardLogin", "1.3.6.1.4.1.55555.7.1")
# Where the request's extension can be taken over; the last is one that nobody has given a name
REQUESTABLE = ("keyUsage", "extendedKeyUsage", "tlsfeature", "1.3.6.1.4.1.55555.7.9")
GROUPS = (["**"], ["**"], ["**example**", "10.**", "192.**", "2001:**", "dev-*", "SN-*", "u*"],
          ["**.plant.example", "*.example", "dev-???"])
TEMPLATES = ("CN=${csr.CN},O=Example", "CN=${csr.CN}, O = Example Works, OU=${csr.OU}", "CN=dev-${csr.serialNumber},O=Example",
             "O=Example\\, Works,CN=${csr.CN}", "CN=${user}.plant.example", "CN=${csr.CN},serialNumber=${csr.serialNumber},O=\\$1 \\\\")
NAME_TEMPLATES = {"dns": ("${csr.CN}", "${csr.CN}.plant.example", "fixed.plant.example", "${csr.serialNumber}.lab.plant.example"),
                  "email": ("ra@plant.example", "${csr.UID}@plant.example"), "uri": ("https://a.plant.example/${csr.serialNumber}",),
                  "ip": ("10.1.2.3",)}
SCHEMES = ("dn:CN", "dn:CN", "dn:serialNumber,CN", "username", "random", "fixed:plant", "dn:UID,serialNumber,O")


def some(chance, values, least=0, most=None):
    count = chance.randint(least, min(most or len(values), len(values)))
    chosen = chance.sample(list(values), count)
    return [value for value in values if value in chosen]


def rarely(chance):
    return chance.random() < 0.15


def violation(chance):
    return chance.choice(("refuse", "refuse", "drop"))


def validity(chance):
    return datetime.timedelta(seconds=chance.choice((60, 3600, 86400 * 7, 86400 * 90, 86400 * 90, 86400 * 365, 86400 * 35000)))


def profile_row(chance, new):
    row = {
        "validity": validity(chance), "backdate": datetime.timedelta(seconds=chance.choice((0, 60, 300, 86400, 86400 * 31))),
        "latest_end": datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=chance.choice((20, 400))) if rarely(chance)
        else None,
        "beyond_ca": chance.choice(("cap", "cap", "refuse")), "keys": some(chance, KEYS, 2), "digest": "default",
        "dns_wildcards": rarely(chance), "subject_other": violation(chance), "san_other": violation(chance),
    }
    if new:
        row["subject_template"] = chance.choice(TEMPLATES) if chance.random() < 0.25 else None
    return row


def subject_rules(chance):
    kinds = ["CN", *some(chance, [kind for kind in ATTRIBUTES if kind != "CN"], 2)] if not rarely(chance) else some(chance, ATTRIBUTES)
    return [{"attribute": kind, "required": kind in ("CN", "O") and rarely(chance), "pattern": chance.choice(VALUE_PATTERNS[kind]),
             "max_count": chance.choice((1, 1, 2, 32)), "on_violation": violation(chance)} for kind in kinds]


def san_rules(chance, new):
    found = []
    for kind in some(chance, SAN_PATTERNS):
        for pattern in some(chance, SAN_PATTERNS[kind], 1, 2):
            found.append({"type": kind, "pattern": pattern, "max_count": chance.choice((1, 2, 8, 256)), "required": rarely(chance),
                          "on_violation": violation(chance)})
        if new and chance.random() < 0.3:
            found.append({"type": kind, "pattern": "**", "max_count": 8, "required": rarely(chance), "on_violation": violation(chance),
                          "source": "template", "template": chance.choice(NAME_TEMPLATES[kind])})
    return found


def extension_rows(chance):
    """(extensions, lines of sections)"""
    usages = some(chance, USAGES, 1)
    if "digitalSignature" not in usages and not rarely(chance):
        usages.insert(0, "digitalSignature")  # which goes with every purpose, and all keys have it
    rows, lines = {}, []
    rows["keyUsage"] = (True, ", ".join(usages))
    if chance.random() < 0.7 and "digitalSignature" in usages:
        rows["extendedKeyUsage"] = (rarely(chance), ",".join(some(chance, PURPOSES, 1, 3)))
    if chance.random() < 0.4:
        rows["basicConstraints"] = (chance.random() < 0.5, "CA:FALSE")
    if chance.random() < 0.3:
        rows["certificatePolicies"] = (rarely(chance), chance.choice(("1.3.6.1.4.1.55555.1", "anyPolicy", "1.2.3.4,1.2.3.5", "@pol", "2.5.29.9.1,@pol")))
        lines += [("pol", "policyIdentifier", "1.3.6.1.4.1.55555.2"), ("pol", "CPS.1", "http://cps.example/a"), ("pol", "userNotice.1", "@note"),
                  ("note", "explicitText", "For tests, only"), ("note", "organization", "Example"), ("note", "noticeNumbers", "1, 2")]
    if chance.random() < 0.3:
        rows["crlDistributionPoints"] = (False, chance.choice(("URI:http://crl.example/a.crl", "URI:http://a.example/1,URI:http://b.example/2", "@crl")))
        lines += [("crl", "URI.1", "http://crl.example/a,b.crl"), ("crl", "URI.2", "http://crl.example/c.crl")]
    if chance.random() < 0.3:
        rows["authorityInfoAccess"] = (False, chance.choice(("OCSP;URI:http://ocsp.example/", "caIssuers;URI:http://a.example/ca,OCSP;URI:http://o.example/",
                                                             "@aia")))
        lines += [("aia", "OCSP;URI.1", "http://ocsp.example/x,y"), ("aia", "caIssuers;URI.1", "http://a.example/ca.crt")]
    if rarely(chance):
        rows["tlsfeature"] = (False, chance.choice(("status_request", "status_request, status_request_v2")))
    if rarely(chance):
        rows["nsComment"] = (False, "made by chance, 100%")
    if rarely(chance):
        rows["noCheck"] = (False, "ignored")
    if chance.random() < 0.3:
        rows["1.3.6.1.4.1.55555.7.2"] = (rarely(chance), chance.choice((
            "DER:0500", "DER:04:03:01:02:03", "ASN1:NULL", "ASN1:BOOLEAN:TRUE", "ASN1:INTEGER:70000", "ASN1:UTF8String:some text",
            "ASN1:IA5STRING:a@b", "ASN1:PRINTABLESTRING:A b")))
    used = {row[1].split("@")[1] for row in rows.values() if "@" in row[1] and row[1].split("@")[1] in ("pol", "crl", "aia")}
    if "pol" in used:
        used.add("note")
    return ([{"name": name, "critical": critical, "value": value, "position": chance.randint(0, 3)} for name, (critical, value) in rows.items()],
            [{"section": section, "name": name, "value": value, "position": number} for number, (section, name, value) in enumerate(lines)
             if section in used])


def requested_rows(chance):
    return [{"name": name, "action": chance.choice(("ignore", "copy", "copy", "require", "refuse"))} for name in some(chance, REQUESTABLE)
            if chance.random() < 0.4]


def alias_row(chance, new, authorities):
    row = {"ca": chance.choice(authorities), "auth_enroll": chance.choice(("basic-or-cert",) * 12 + ("basic",) * 4 + ("cert",)),
           "profile_active": chance.random() < 0.97, "group_active": chance.random() < 0.97, "enroll_chain": rarely(chance),
           "base64": chance.choice(("auto", "line", "wrap")), "idempotency": datetime.timedelta(minutes=chance.choice((0, 10))),
           "transfer_encoding": chance.random() < 0.8, "reason_text": chance.random() < 0.8,
           "binding": "if-present"}
    if new:
        row.update(name_scheme=chance.choice(SCHEMES), name_prefix=chance.choice(("", "", "p-", "${RANDOM}/")),
                   name_postfix=chance.choice(("", "", "-${RANDOM}", "!")))
    return row


# --- into the database

def insert(database, table, **columns):
    names = ", ".join(columns)
    return database.value(f"INSERT INTO {table} ({names}) VALUES ({', '.join(['%s'] * len(columns))}) RETURNING id", *columns.values())


def insert_all(database, table, profile, rows):
    for row in rows:
        insert(database, table, profile_id=profile, **row)


def make_policy(database, chance, name, groups, authorities, new=True):
    """One alias with a profile of its own, in the transaction that is open. authorities: names of <EstCA>s -> do they have digests"""
    row, alias = profile_row(chance, new), alias_row(chance, new, sorted(authorities))
    if authorities[alias["ca"]] and rarely(chance):
        row["digest"] = chance.choice(("sha256", "sha384", "sha512"))
    profile = insert(database, "certificate_profile", name=name, **row)
    insert_all(database, "profile_subject_rule", profile, subject_rules(chance))
    insert_all(database, "profile_san_rule", profile, san_rules(chance, new))
    rows, lines = extension_rows(chance)
    insert_all(database, "profile_extension_section", profile, lines)
    insert_all(database, "profile_extension", profile, rows)
    if new:
        insert_all(database, "profile_request_extension", profile, requested_rows(chance))
    insert(database, "alias", name=name, profile_id=profile, group_id=chance.choice(groups), **alias)
    return name


def make_groups(database):
    """Those whose names are limited in different ways"""
    return [insert(database, "entity_group", name=f"limits {number}", names=names) for number, names in enumerate(GROUPS)]
