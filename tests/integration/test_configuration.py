# Copyright 2026 The mod_est authors
# SPDX-License-Identifier: Apache-2.0
"""Configuration errors: found by "httpd -t" and at start, and told with what and where."""

import os
import re

import pytest
from cryptography.hazmat.primitives import serialization

from harness.pki import CertificateAuthority, days, make_key, now
from harness.run import call, own


@pytest.fixture(scope="module")
def site(make_site):
    """Never started as it is; its database is there"""
    site = make_site("config", start=False)
    httpd = site.httpd
    httpd.put("text", "this is no PEM\n")
    httpd.put("locked.key", httpd.key_pem(site.pki.issuing.key), 0o000)
    httpd.put("encrypted.key", httpd.key_pem(site.pki.issuing.key, b"right"))
    httpd.put("right", "right\n")
    httpd.put("wrong", "wrong\n")
    httpd.put("other.key", httpd.key_pem(make_key()))
    httpd.put("leaf.crt", site.pki.server.cert.public_bytes(serialization.Encoding.PEM))
    httpd.put("foreign.chain", site.pki.foreign.pem())
    httpd.put("empty", "")
    no_sign = CertificateAuthority("CN=No signer", sign_certs=False)
    httpd.put("nosign.crt", no_sign.pem())
    httpd.put("nosign.key", httpd.key_pem(no_sign.key))
    httpd.put("leaf.key", httpd.key_pem(site.pki.server.key))
    httpd.put("leaf.encrypted.key", httpd.key_pem(site.pki.server.key, b"right"))
    edwards = CertificateAuthority("CN=Edwards", key=make_key("ed25519"))
    httpd.put("edwards.crt", edwards.pem())
    httpd.put("edwards.key", httpd.key_pem(edwards.key))
    return site


KEY, CERT, CHAIN = "EstCAKey {d}/issuing.key", "EstCACertificate {d}/issuing.crt", "EstCAChain {d}/issuing.chain"
DATABASE = r'EstDatabase "[^"]*"'



def another(*lines, wanted=(), driver="est"):
    """A second block, of a driver that forwards or of another one, with these lines"""
    block = "\n    ".join(["<EstCA other>", f"EstCADriver {driver}", *lines]) + "\n</EstCA>\n<VirtualHost"
    return ("<VirtualHost", block, list(wanted))


def block_of(driver, lines, changes, wanted):
    lines = {**lines, **changes}
    return another(*[f"{name} {value}" for name, value in lines.items() if value], driver=driver,
                   wanted=["<EstCA other>", "httpd.conf:", *wanted])


def est(wanted, **changes):
    """A block of driver est that is right but for the changes; None takes a line out"""
    return block_of("est", {"EstCAUpstream": "https://ca.example.org/est", "EstCATrust": "{d}/trusted.pem"}, changes, wanted)


def cmp(wanted, **changes):
    return block_of("cmp", {"EstCAUpstream": "http://ca.example.org/cmp", "EstCACertificate": "{d}/issuing.crt",
                            "EstCAChain": "{d}/issuing.chain", "EstCACmpReference": "ra-1", "EstCACmpSecret": "file:{d}/right"}, changes, wanted)


def signed(wanted, **changes):
    return cmp(wanted, **{"EstCACmpReference": None, "EstCACmpSecret": None, "EstCACmpCertificate": "{d}/leaf.crt", "EstCACmpKey": "{d}/leaf.key",
                          **changes})


def token(uri, *lines, wanted, where="<EstCA issuing>"):
    return KEY, "\n".join([f'EstCAKey "{uri}"', *lines]), [where, *wanted]


def bad_uri(uri, wanted):
    """What is wrong with a URI is said with the line that it stands in"""
    return token(uri, wanted=["EstCAKey: ", *wanted], where="Syntax error on line")


def in_clear(directive, driver="est"):
    return another(f"{directive} hunter2", driver=driver, wanted=[directive, "file:PATH or exec:PROGRAM", "httpd.conf"])


def number(directive, value, most, driver="est"):
    return another(f"{directive} {value}", driver=driver, wanted=[directive, f"1 to {most}", value, "httpd.conf"])


# (what is replaced (a regular expression), by what, texts that the complaint has to name)
WRONG = {
    "no_Require_est": ("Require est\n", "Require valid-user\n", ["Require est", "httpd.conf:"]),
    "Require_est_with_arguments": ("Require est\n", "Require est devices\n", ["Require est takes no arguments"]),
    "no_AuthType": ("AuthType Basic\n", "", ["AuthType", "httpd.conf:"]),
    "no_AuthName": ('AuthName "EST"\n', "", ["AuthName", "httpd.conf:"]),
    "no_AuthBasicProvider": ("AuthBasicProvider est\n", "", ["AuthBasicProvider", "httpd.conf:"]),
    "Location_with_wildcards": ('<Location "/.well-known/est">', '<Location "/*/est">', ["wildcards", "httpd.conf:"]),
    "AuthType_None": ("AuthType Basic\n", "AuthType None\n", ["AuthType", "httpd.conf:"]),
    "EstEngine_in_LocationMatch": (r'<Location "/.well-known/est">(?s:(.*?))</Location>',
                                   r'<LocationMatch "^/est">\1</LocationMatch>', ["EstEngine", "<LocationMatch>", "<Location"]),
    "EstEngine_in_Location_regex": (r'<Location "/.well-known/est">', '<Location ~ "^/est">', ["EstEngine", "<Location ~"]),
    "EstEngine_in_Directory": (r'<Location "/.well-known/est">(?s:(.*?))</Location>', r'<Directory "/est">\1</Directory>',
                               ["EstEngine", "<Directory>"]),
    "EstEngine_in_If": ("EstEngine on\n", "<If \"true\">\nEstEngine on\n</If>\n", ["EstEngine", "<If"]),
    "EstEngine_in_the_vhost": ("<Location", "EstEngine on\n<Location", ["EstEngine"]),
    "EstEngine_value": ("EstEngine on\n", "EstEngine yes\n", ["EstEngine is on or off", "yes"]),
    "password_in_EstDatabase": (DATABASE, 'EstDatabase "dbname=est user=est_module password=hunter2"', ["EstDatabase", "password"]),
    "password_in_a_uri": (DATABASE, 'EstDatabase "postgresql://est_module:hunter2@localhost/est"', ["EstDatabase", "password"]),
    "EstDatabase_nonsense": (DATABASE, 'EstDatabase "dbname"', ["EstDatabase"]),
    "EstDatabase_missing": (DATABASE, "", ["EstDatabase"]),
    "EstDatabase_in_a_vhost": ("SSLEngine on\n", "SSLEngine on\nEstDatabase dbname=est\n", ["EstDatabase"]),
    "EstDatabasePool_0": ("EstDatabasePool 4", "EstDatabasePool 0", ["EstDatabasePool", "1 to 64", "0"]),
    "EstDatabasePool_text": ("EstDatabasePool 4", "EstDatabasePool many", ["EstDatabasePool", "many"]),
    "EstDatabaseTimeout_61": ("EstDatabasePool 4", "EstDatabaseTimeout 61", ["EstDatabaseTimeout", "1 to 60"]),
    "EstPolicyMaxAge_negative": ("EstDatabasePool 4", "EstPolicyMaxAge -1", ["EstPolicyMaxAge"]),
    "EstMaxBody_small": ("EstEngine on\n", "EstEngine on\nEstMaxBody 10\n", ["EstMaxBody", "1024 to 1048576"]),
    "EstStrictBody_value": ("EstEngine on\n", "EstEngine on\nEstStrictBody maybe\n", ["EstStrictBody", "maybe"]),
    "EstAliases_operation": ("EstEngine on\n", "EstEngine on\nEstAliases cacerts\n", ["EstAliases", "cacerts"]),
    "EstAliases_characters": ("EstEngine on\n", "EstEngine on\nEstAliases a/b\n", ["EstAliases", "a/b"]),
    "EstVerifyClient_value": ("EstVerifyClient on", "EstVerifyClient always", ["EstVerifyClient"]),
    "EstCA_twice": ("<VirtualHost", "<EstCA issuing>\n" + KEY + "\n</EstCA>\n<VirtualHost", ["<EstCA issuing>", "twice", "httpd.conf:"]),
    "EstCA_none": (r"(?s)<EstCA .*</EstCA>", "", ["<EstCA>"]),
    "EstCA_in_a_vhost": ("SSLEngine on\n", "SSLEngine on\n<EstCA x>\n</EstCA>\n", ["EstCA"]),
    "EstCA_without_a_name": ("<EstCA issuing>", "<EstCA>", ["EstCA"]),
    "EstCA_name": ("<EstCA issuing>", "<EstCA a/b>", ["EstCA"]),
    "EstCAKey_outside": ("EstDatabasePool 4", KEY, ["EstCAKey", "<EstCA>"]),
    "EstCADriver_unknown": (CERT, CERT + "\nEstCADriver magic", ["<EstCA issuing>", "httpd.conf:", "magic"]),
    "EstCACertificate_missing": (CERT, "", ["<EstCA issuing>", "httpd.conf:", "EstCACertificate"]),
    "EstCACertificate_not_there": (CERT, "EstCACertificate {d}/nowhere", ["<EstCA issuing>", "httpd.conf:", "{d}/nowhere"]),
    "EstCACertificate_no_pem": (CERT, "EstCACertificate {d}/text", ["<EstCA issuing>", "{d}/text"]),
    "EstCACertificate_empty": (CERT, "EstCACertificate {d}/empty", ["<EstCA issuing>", "{d}/empty"]),
    "EstCACertificate_no_ca": (CERT, "EstCACertificate {d}/leaf.crt", ["<EstCA issuing>", "{d}/leaf.crt", "not a CA"]),
    "EstCACertificate_without_keyCertSign": (CERT + r"\s+" + KEY + r"\s+" + CHAIN,
                                             "EstCACertificate {d}/nosign.crt\nEstCAKey {d}/nosign.key",
                                             ["<EstCA issuing>", "{d}/nosign.crt", "keyCertSign"]),
    "EstCAKey_missing": (KEY, "", ["<EstCA issuing>", "httpd.conf:", "EstCAKey"]),
    "EstCAKey_not_there": (KEY, "EstCAKey {d}/nowhere", ["<EstCA issuing>", "{d}/nowhere"]),
    "EstCAKey_unreadable": (KEY, "EstCAKey {d}/locked.key", ["<EstCA issuing>", "{d}/locked.key", "ermission denied"]),
    "EstCAKey_no_pem": (KEY, "EstCAKey {d}/text", ["<EstCA issuing>", "{d}/text"]),
    "EstCAKey_of_another": (KEY, "EstCAKey {d}/other.key", ["<EstCA issuing>", "{d}/other.key", "does not fit"]),
    "EstCAKey_encrypted": (KEY, "EstCAKey {d}/encrypted.key", ["<EstCA issuing>", "{d}/encrypted.key", "EstCAKeyPassphrase"]),
    "EstCAKeyPassphrase_wrong": (KEY, "EstCAKey {d}/encrypted.key\nEstCAKeyPassphrase file:{d}/wrong",
                                 ["<EstCA issuing>", "{d}/encrypted.key", "passphrase"]),
    "EstCAKeyPassphrase_file_not_there": (KEY, "EstCAKey {d}/encrypted.key\nEstCAKeyPassphrase file:{d}/nowhere",
                                          ["<EstCA issuing>", "{d}/nowhere"]),
    "EstCAKeyPassphrase_program_fails": (KEY, "EstCAKey {d}/encrypted.key\nEstCAKeyPassphrase exec:/bin/false",
                                         ["<EstCA issuing>", "/bin/false"]),
    "EstCAKeyPassphrase_literal": (KEY, "EstCAKey {d}/encrypted.key\nEstCAKeyPassphrase right", ["EstCAKeyPassphrase", "file:PATH"]),
    "EstCAChain_missing": (CHAIN, "", ["<EstCA issuing>", "EstCAChain", "gap"]),
    "EstCAChain_gap": (CHAIN, "EstCAChain {d}/foreign.chain", ["<EstCA issuing>", "{d}/foreign.chain", "gap", "Issuing CA"]),
    "EstCAChain_with_a_leaf": (CHAIN, "EstCAChain {d}/server.pem", ["<EstCA issuing>", "{d}/server.pem", "not a CA"]),
    "EstCAChain_not_there": (CHAIN, "EstCAChain {d}/nowhere", ["<EstCA issuing>", "{d}/nowhere"]),
    # CAs upstream and keys in tokens: what is wrong with a line by itself
    "EstCAKey_with_a_PIN": (KEY, 'EstCAKey "pkcs11:token=CA;object=issuing?pin-value=hunter2"', ["EstCAKey", "EstCAKeyPassphrase", "httpd.conf"]),
    "EstCAPassword_in_clear": in_clear("EstCAPassword"),
    "EstCAClientKeyPassphrase_in_clear": in_clear("EstCAClientKeyPassphrase"),
    "EstCACmpSecret_in_clear": in_clear("EstCACmpSecret", "cmp"),
    "EstCACmpKeyPassphrase_in_clear": in_clear("EstCACmpKeyPassphrase", "cmp"),
    "EstCAUpstream_with_a_password": another("EstCAUpstream https://ra:hunter2@ca.example.org/est", wanted=["EstCAUpstream", "password", "httpd.conf"]),
    "EstCAProxy_with_a_password": another("EstCAProxy http://ra:hunter2@proxy.example.org:3128", wanted=["EstCAProxy", "password", "httpd.conf"]),
    "EstCAUpstream_no_url": another("EstCAUpstream ca.example.org", wanted=["EstCAUpstream", "ca.example.org", "not a URL"]),
    "EstCAUpstream_no_host": another("EstCAUpstream https:///est", wanted=["EstCAUpstream", "not a URL"]),
    "EstCAUpstream_of_another_scheme": another("EstCAUpstream ftp://ca.example.org/", wanted=["EstCAUpstream", "ftp:", "not a URL"]),
    "EstCAUpstream_second_is_none": another("EstCAUpstream https://ca.example.org/est nonsense", wanted=["EstCAUpstream", "nonsense"]),
    "EstCAUpstream_with_a_blank": another('EstCAUpstream "https://ca.example.org/e st"', wanted=["EstCAUpstream", "character"]),
    "EstCAUpstream_without_an_argument": another("EstCAUpstream", wanted=["EstCAUpstream", "argument"]),
    "EstCAUpstream_outside": ("EstDatabasePool 4", "EstCAUpstream https://ca.example.org/est", ["EstCAUpstream", "<EstCA>"]),
    "EstCATrust_two_files": another("EstCATrust {d}/trusted.pem {d}/issuing.crt", wanted=["EstCATrust", "one argument"]),
    "EstCAExtensions_no_oid": another("EstCAExtensions 1.3.6.1.5.5.7.1.1 keyUsage", wanted=["EstCAExtensions", "keyUsage", "OID"]),
    "EstCATimeout_0": number("EstCATimeout", "0", 120),
    "EstCATimeout_121": number("EstCATimeout", "121", 120),
    "EstCAConnectTimeout_61": number("EstCAConnectTimeout", "61", 60),
    "EstCARefresh_0": number("EstCARefresh", "0", 604800),
    "EstCARefresh_text": number("EstCARefresh", "daily", 604800),
    "EstCAConcurrency_65": number("EstCAConcurrency", "65", 64),
    "EstCAFailures_101": number("EstCAFailures", "101", 100),
    "EstCACooldown_301": number("EstCACooldown", "301", 300),
    "EstCATimeout_with_driver_local": (KEY, KEY + "\nEstCATimeout 5", ["<EstCA issuing>", "EstCATimeout", "key in a file"]),
    "EstCAConnectTimeout_with_driver_local": (KEY, KEY + "\nEstCAConnectTimeout 5", ["<EstCA issuing>", "EstCAConnectTimeout", "EstCADriver local"]),
    "EstCARefresh_with_driver_cmp": another("EstCARefresh 60", driver="cmp", wanted=["<EstCA other>", "EstCARefresh", "EstCADriver cmp"]),
    **{f"{line.split()[0]}_with_driver_local": (KEY, f"{KEY}\n{line}", ["<EstCA issuing>", "httpd.conf:", line.split()[0], "EstCADriver local"])
       for line in ("EstCAUpstream https://ca.example.org/est", "EstCATrust {d}/trusted.pem", "EstCAClientCertificate {d}/leaf.crt",
                    "EstCAClientKey {d}/leaf.key", "EstCAClientKeyPassphrase file:{d}/right", "EstCAUser ra-1", "EstCAPassword file:{d}/right",
                    "EstCAProxy http://proxy.example.org:3128", "EstCACacheFile {d}/cache", "EstCAExtensions 1.3.6.1.5.5.7.1.1",
                    "EstCACmpRequest ir", "EstCACmpRecipient /CN=CA", "EstCACmpCertificate {d}/leaf.crt", "EstCACmpKey {d}/leaf.key",
                    "EstCACmpKeyPassphrase file:{d}/right", "EstCACmpReference ra-1", "EstCACmpSecret file:{d}/right", "EstCACmpTrust {d}/trusted.pem")},
    # Keys in tokens; nobody looks at the token itself
    "EstCAKeyModule_with_a_key_in_a_file": (KEY, KEY + "\nEstCAKeyModule {d}/text", ["<EstCA issuing>", "httpd.conf:", "EstCAKeyModule", "EstCAKey"]),
    "EstCAKeyModule_not_there": token("pkcs11:token=CA;object=issuing", "EstCAKeyModule {d}/nowhere", wanted=["EstCAKeyModule", "{d}/nowhere"]),
    "EstCAKey_without_a_token": bad_uri("pkcs11:object=issuing", wanted=["pkcs11:object=issuing", "token=LABEL"]),
    "EstCAKey_without_an_object": bad_uri("pkcs11:token=CA", wanted=["pkcs11:token=CA", "object=LABEL"]),
    "EstCAKey_with_an_unknown_attribute": bad_uri("pkcs11:token=CA;object=issuing;colour=red", wanted=["colour", "RFC 7512"]),
    "EstCAKey_with_an_attribute_twice": bad_uri("pkcs11:token=CA;token=CB;object=issuing", wanted=["token is there twice"]),
    "EstCAKey_public": bad_uri("pkcs11:token=CA;object=issuing;type=public", wanted=["type=private"]),
    "EstCAKey_with_a_module": bad_uri("pkcs11:token=CA;object=issuing?module-path=/usr/lib/a.so", wanted=["EstCAKeyModule"]),
    "EstCAKey_with_a_PIN_source": bad_uri("pkcs11:token=CA;object=issuing?pin-source=file:hunter2", wanted=["EstCAKeyPassphrase"]),
    "PIN_file_not_there": token("pkcs11:token=CA;object=issuing", "EstCAKeyPassphrase file:{d}/nowhere", wanted=["{d}/nowhere"]),
    "EstCAConnectTimeout_with_a_token": token("pkcs11:token=CA;object=issuing", "EstCAConnectTimeout 5", wanted=["EstCAConnectTimeout", "EstCADriver local"]),
    # The blocks of drivers that forward
    "est_without_EstCAUpstream": est(EstCAUpstream=None, wanted=["EstCAUpstream is missing"]),
    "est_over_http": est(EstCAUpstream="http://ca.example.org/est", wanted=["EstCAUpstream http://ca.example.org/est", "https"]),
    "est_with_an_upstream_twice": est(EstCAUpstream="https://ca.example.org/est https://ca.example.org/est/",
                                      wanted=["EstCAUpstream", "https://ca.example.org/est twice"]),
    "est_with_a_query": est(EstCAUpstream="https://ca.example.org/est?a=b", wanted=["EstCAUpstream", "query"]),
    "est_with_a_port_that_is_none": est(EstCAUpstream="https://ca.example.org:est/", wanted=["EstCAUpstream", "ca.example.org:est"]),
    "est_without_EstCATrust": est(EstCATrust=None, wanted=["EstCATrust is missing"]),
    "EstCATrust_not_there": est(EstCATrust="{d}/nowhere", wanted=["{d}/nowhere"]),
    "EstCATrust_no_pem": est(EstCATrust="{d}/text", wanted=["{d}/text"]),
    "EstCATrust_empty": est(EstCATrust="{d}/empty", wanted=["{d}/empty"]),
    "EstCAClientCertificate_alone": est(EstCAClientCertificate="{d}/leaf.crt", wanted=["EstCAClientKey"]),
    "EstCAClientKey_alone": est(EstCAClientKey="{d}/leaf.key", wanted=["EstCAClientCertificate"]),
    "EstCAClientKey_of_another": est(EstCAClientCertificate="{d}/leaf.crt", EstCAClientKey="{d}/other.key",
                                     wanted=["EstCAClientKey {d}/other.key", "does not fit"]),
    "EstCAClientKey_encrypted": est(EstCAClientCertificate="{d}/leaf.crt", EstCAClientKey="{d}/leaf.encrypted.key",
                                    wanted=["{d}/leaf.encrypted.key", "EstCAClientKeyPassphrase"]),
    "EstCAClientKeyPassphrase_wrong": est(EstCAClientCertificate="{d}/leaf.crt", EstCAClientKey="{d}/leaf.encrypted.key",
                                          EstCAClientKeyPassphrase="file:{d}/wrong", wanted=["{d}/leaf.encrypted.key", "passphrase"]),
    "EstCAClientKey_unreadable": est(EstCAClientCertificate="{d}/leaf.crt", EstCAClientKey="{d}/locked.key",
                                     wanted=["{d}/locked.key", "ermission denied"]),
    "EstCAUser_alone": est(EstCAUser="ra-1", wanted=["EstCAPassword"]),
    "EstCAPassword_alone": est(EstCAPassword="file:{d}/right", wanted=["EstCAUser"]),
    "EstCAPassword_file_not_there": est(EstCAUser="ra-1", EstCAPassword="file:{d}/nowhere", wanted=["{d}/nowhere"]),
    "EstCAPassword_program_fails": est(EstCAUser="ra-1", EstCAPassword="exec:/bin/false", wanted=["/bin/false"]),
    "EstCAUser_with_a_colon": est(EstCAUser="ra:1", EstCAPassword="file:{d}/right", wanted=["EstCAUser", "colon"]),
    "EstCAProxy_without_a_port": est(EstCAProxy="http://proxy.example.org", wanted=["EstCAProxy", "http://HOST:PORT"]),
    "EstCAProxy_of_another_scheme": est(EstCAProxy="https://proxy.example.org:3128", wanted=["EstCAProxy", "http://HOST:PORT"]),
    "est_with_a_key": est(EstCAKey="{d}/issuing.key", wanted=["EstCAKey", "EstCADriver est"]),
    "est_with_a_module": est(EstCAKeyModule="{d}/module.so", wanted=["EstCAKeyModule", "EstCADriver est"]),
    "est_with_a_secret": est(EstCACmpSecret="file:{d}/right", wanted=["EstCACmpSecret", "EstCADriver est"]),
    "est_with_a_request_of_CMP": est(EstCACmpRequest="ir", wanted=["EstCACmpRequest", "EstCADriver est"]),
    "est_with_a_chain_of_nobody": est(EstCAChain="{d}/issuing.chain", wanted=["EstCAChain", "EstCACertificate"]),
    "est_with_a_cache_of_what_is_known": est(EstCACertificate="{d}/issuing.crt", EstCACacheFile="{d}/cache", wanted=["EstCACacheFile", "EstCACertificate"]),
    "est_with_a_certificate_of_no_CA": est(EstCACertificate="{d}/leaf.crt", wanted=["{d}/leaf.crt", "not a CA"]),
    "cmp_without_EstCAUpstream": cmp(EstCAUpstream=None, wanted=["EstCAUpstream is missing"]),
    "cmp_over_https_without_EstCATrust": cmp(EstCAUpstream="https://ca.example.org/cmp", wanted=["EstCATrust is missing"]),
    "cmp_without_EstCACertificate": cmp(EstCACertificate=None, wanted=["EstCACertificate is missing"]),
    "cmp_without_protection": cmp(EstCACmpReference=None, EstCACmpSecret=None, wanted=["EstCACmpCertificate", "EstCACmpSecret", "missing"]),
    "cmp_without_EstCACmpReference": cmp(EstCACmpReference=None, wanted=["EstCACmpSecret needs EstCACmpReference"]),
    "cmp_without_EstCACmpSecret": cmp(EstCACmpSecret=None, wanted=["EstCACmpReference needs EstCACmpSecret"]),
    "EstCACmpSecret_empty": cmp(EstCACmpSecret="file:{d}/empty", wanted=["{d}/empty"]),
    "cmp_with_both_protections": cmp(EstCACmpCertificate="{d}/leaf.crt", EstCACmpKey="{d}/leaf.key", wanted=["EstCACmpCertificate", "EstCACmpSecret", "not both"]),
    "EstCACmpCertificate_alone": signed(EstCACmpKey=None, wanted=["EstCACmpCertificate needs EstCACmpKey"]),
    "EstCACmpKey_alone": signed(EstCACmpCertificate=None, wanted=["EstCACmpKey needs EstCACmpCertificate"]),
    "EstCACmpKey_of_another": signed(EstCACmpKey="{d}/other.key", wanted=["EstCACmpKey {d}/other.key", "does not fit"]),
    "EstCACmpKey_encrypted": signed(EstCACmpKey="{d}/leaf.encrypted.key", wanted=["{d}/leaf.encrypted.key", "EstCACmpKeyPassphrase"]),
    "EstCACmpKeyPassphrase_wrong": signed(EstCACmpKey="{d}/leaf.encrypted.key", EstCACmpKeyPassphrase="file:{d}/wrong",
                                          wanted=["{d}/leaf.encrypted.key", "passphrase"]),
    "EstCACmpKey_of_a_kind_that_signs_no_message": signed(EstCACmpCertificate="{d}/edwards.crt", EstCACmpKey="{d}/edwards.key",
                                                          wanted=["EstCACmpKey {d}/edwards.key", "RSA and EC"]),
    "EstCACmpKeyPassphrase_without_a_key": cmp(EstCACmpKeyPassphrase="file:{d}/right", wanted=["EstCACmpKeyPassphrase needs EstCACmpKey"]),
    "EstCACmpRequest_unknown": cmp(EstCACmpRequest="kur", wanted=["EstCACmpRequest", "kur", "p10cr, ir, cr"]),
    "EstCACmpRenewal_unknown": cmp(EstCACmpRenewal="cr", wanted=["EstCACmpRenewal is kur or same", "cr"]),
    "EstCACmpRenewal_kur_with_p10cr": cmp(EstCACmpRenewal="kur", EstCACmpRequest="p10cr", wanted=["EstCACmpRenewal kur", "p10cr"]),
    "EstCACmpConfirm_unknown": cmp(EstCACmpConfirm="no", wanted=["EstCACmpConfirm is implicit or explicit", "no"]),
    "EstCACmpRecipient_no_name": cmp(EstCACmpRecipient='"CN=CA"', wanted=["EstCACmpRecipient", "CN=CA"]),
    "EstCACmpRecipient_unknown_attribute": cmp(EstCACmpRecipient='"/CN=CA/XYZ=a"', wanted=["EstCACmpRecipient", "XYZ"]),
    "EstCACmpTrust_not_there": cmp(EstCACmpTrust="{d}/nowhere", wanted=["{d}/nowhere"]),
    "cmp_with_a_key": cmp(EstCAKey="{d}/issuing.key", wanted=["EstCAKey", "EstCADriver cmp"]),
    "cmp_with_a_cache": cmp(EstCACacheFile="{d}/cache", wanted=["EstCACacheFile", "EstCADriver cmp"]),
    "cmp_with_a_password_in_the_clear": cmp(EstCAUser="ra-1", EstCAPassword="file:{d}/right", wanted=["EstCAUser", "without TLS"]),
}


def edited(site, pattern, replacement):
    directory = site.httpd.directory
    text, count = re.subn(pattern.replace("{d}", re.escape(directory)), replacement.replace("{d}", directory),
        site.config.text(site.httpd), count=1)
    assert count == 1, "the test replaced nothing"
    return text


def changed(site, row):
    pattern, replacement, wanted = WRONG[row]
    return edited(site, pattern, replacement), [one.replace("{d}", site.httpd.directory) for one in wanted]


@pytest.fixture(autouse=True)
def unchecked_log(site, allow_log):
    allow_log("mod_est: ")
    yield


@pytest.mark.parametrize("row", WRONG)
def test_configtest_says_what_and_where(site, row):
    text, wanted = changed(site, row)
    status, output = site.httpd.check(text)
    output += "\n".join(site.httpd.log.since())
    assert status != 0, output
    for one in wanted:
        assert one in output, output
    assert "hunter2" not in output.replace("Syntax error", "")


@pytest.mark.parametrize("row", ["no_Require_est", "EstCAKey_of_another", "EstCAChain_gap", "password_in_EstDatabase"])
def test_start_refuses_too(site, row):
    text, wanted = changed(site, row)
    status, output = site.httpd.try_start(text)
    assert status != 0
    for one in wanted:
        assert one in output, output


def test_configtest_of_a_good_configuration_is_quiet(site):
    seen = site.httpd.log.size()
    status, output = site.httpd.check()
    assert (status, output.strip()) == (0, "Syntax OK")
    assert site.httpd.log.since(seen) == []


# (block, what the warning says; None: none)
GOOD = {
    "est_by_certificate": (est((), EstCAClientCertificate="{d}/leaf.crt", EstCAClientKey="{d}/leaf.key"), None),
    "est_by_certificate_under_a_passphrase": (est((), EstCAClientCertificate="{d}/leaf.crt", EstCAClientKey="{d}/leaf.encrypted.key",
                                                  EstCAClientKeyPassphrase="exec:/bin/cat {d}/right"), None),
    "est_by_password": (est((), EstCAUser="ra-1", EstCAPassword="file:{d}/right", EstCATimeout="120", EstCAConnectTimeout="60",
                            EstCARefresh="1", EstCAConcurrency="64", EstCAFailures="100", EstCACooldown="300",
                            EstCAProxy="http://[::1]:3128", EstCACacheFile="{d}/nowhere"), None),
    "est_of_a_CA_that_is_named": (est((), EstCAUser="ra-1", EstCAPassword="file:{d}/right", EstCACertificate="{d}/issuing.crt",
                                      EstCAChain="{d}/issuing.chain", EstCAExtensions="1.3.6.1.5.5.7.1.1 2.5.29.32"), None),
    "est_with_upstreams_in_two_lines": (another("EstCAUpstream https://a.example.org/est https://b.example.org:8443/est/",
                                                "EstCAUpstream https://[2001:db8::1]/est", "EstCATrust {d}/trusted.pem",
                                                "EstCAUser ra-1", "EstCAPassword file:{d}/right"), None),
    "est_that_nobody_knows": (est(()), "neither EstCAClientCertificate nor EstCAUser"),
    "est_with_a_cache_that_is_none": (est((), EstCAUser="ra-1", EstCAPassword="file:{d}/right", EstCACacheFile="{d}/text"),
                                      "EstCACacheFile"),
    "cmp_by_secret": (cmp((), EstCACmpRequest="ir", EstCACmpRecipient='"/O=Test/CN=Issuing CA"'), None),
    "cmp_by_signature": (signed((), EstCACmpTrust="{d}/trusted.pem", EstCACmpRequest="cr"), None),
    "cmp_over_https": (cmp((), EstCAUpstream="https://ca.example.org/cmp", EstCATrust="{d}/trusted.pem"), None),
    "cmp_without_a_chain": (cmp((), EstCAChain=None), "leads devices to no root"),
    "token": (token("pkcs11:token=CA;object=issuing", "EstCAKeyPassphrase file:{d}/right", "EstCATimeout 5", "EstCAConcurrency 2", wanted=()), None),
    "token_of_the_systems_without_a_PIN": (token("pkcs11:serial=0123;id=%01%02;type=private", wanted=()), None),
    "local_with_the_numbers_of_a_token": ((KEY, KEY + "\nEstCAConcurrency 4\nEstCAFailures 1\nEstCACooldown 1", []), None),
}


@pytest.mark.parametrize("row", GOOD)
def test_configtest_of_good_blocks_is_quiet(site, row):
    (pattern, replacement, _), warning = GOOD[row]
    seen = site.httpd.log.size()
    status, output = site.httpd.check(edited(site, pattern, replacement))
    lines = output.strip().splitlines() + site.httpd.log.since(seen)
    assert status == 0, lines
    warnings = [line for line in lines if line != "Syntax OK"]
    assert all(warning and warning in line for line in warnings), lines
    assert bool(warnings) == bool(warning)


def test_several_errors_are_told_at_once(site):
    text = site.config.text(site.httpd).replace("Require est\n", "Require valid-user\n").replace("issuing.key", "nowhere")
    status, output = site.httpd.check(text)
    output += "\n".join(site.httpd.log.since())
    assert status != 0
    assert "Require est" in output and "nowhere" in output


def test_unknown_schema_version_stops_the_start_and_names_both(site):
    latest = site.db.value("SELECT max(version) FROM schema_version")
    site.db.execute("UPDATE est.schema_version SET version = 999 WHERE version = %s", latest, user="postgres")
    try:
        assert site.httpd.check()[0] == 0
        status, output = site.httpd.try_start()
        assert status != 0
        assert "EST1132" in output and "999" in output
    finally:
        site.db.execute("UPDATE est.schema_version SET version = %s WHERE version = 999", latest, user="postgres")


def test_a_database_without_schema_stops_the_start_and_says_so(site, expect_log):
    expect_log('ERROR:  relation "est.schema_version" does not exist')
    text = site.config.text(site.httpd).replace(f"dbname={site.name}", "dbname=postgres")
    status, output = site.httpd.try_start(text)
    assert status != 0
    assert "EST1132" in output and "install.sql" in output


def test_loose_key_permissions_are_a_warning(site):
    own(os.path.join(site.httpd.directory, "issuing.key"), 0o644)
    try:
        status, output = site.httpd.check()
        output += "\n".join(site.httpd.log.since())
        assert status == 0
        assert "issuing.key" in output and "600" in output
    finally:
        own(os.path.join(site.httpd.directory, "issuing.key"), 0o600)


def test_SSLVerifyClient_in_the_location_is_a_warning(site):
    text = site.config.text(site.httpd).replace("Require est\n", "Require est\nSSLVerifyClient optional\n")
    seen = site.httpd.log.size()
    status, output = site.httpd.check(text)
    output += "\n".join(site.httpd.log.since(seen))
    assert status == 0
    assert "SSLVerifyClient in an EST location" in output


def test_expired_ca_is_a_warning_that_says_so(site):
    old = CertificateAuthority("CN=Old", not_before=now() - days(20), not_after=now() - days(2))
    site.httpd.put_ca("old", old)
    seen = site.httpd.log.size()
    status, output = site.httpd.check(site.config.text(site.httpd).replace("<VirtualHost",
        site.httpd.ca_block("old") + "\n<VirtualHost", 1))
    output += "\n".join(site.httpd.log.since(seen))
    assert status == 0
    assert "<EstCA old>" in output and "ended" in output


def test_module_loads_without_mod_ssl_and_without_any_directive(site):
    httpd = site.httpd
    text = "\n".join([f"ServerRoot {httpd.directory}", f"DefaultRuntimeDir {httpd.directory}", "ServerName localhost",
                      f"ErrorLog {httpd.directory}/error.log", "LoadModule mpm_event_module /usr/lib/apache2/modules/mod_mpm_event.so",
                      "LoadModule authz_core_module /usr/lib/apache2/modules/mod_authz_core.so",
                      f"LoadModule est_module {httpd.directory}/mod_est.so", f"Listen 127.0.0.1:{httpd.port}"])
    status, output = httpd.check(text)
    assert status == 0, output


def test_directives_are_listed_by_httpd(site):
    site.httpd.write()
    status, output = call(["apache2", "-f", site.httpd.conf, "-L"], site.httpd.environment())
    assert status == 0
    for directive in ("EstDatabase", "<EstCA", "EstCAUpstream", "EstVerifyClient", "EstEngine", "EstAliases", "EstMaxBody", "EstStrictBody"):
        assert re.search(rf"^{re.escape(directive)} \(mod_est\.c\)", output, re.MULTILINE), directive
