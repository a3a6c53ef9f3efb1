-- Copyright 2026 The mod_est authors
-- SPDX-License-Identifier: Apache-2.0
--
-- Extensions of a profile: the grammar lets no power of a CA and no configuration trick through

\set ON_ERROR_STOP on
BEGIN;
SET search_path = est, public;
SELECT no_plan();

INSERT INTO certificate_profile (name) VALUES ('p'), ('q');
CREATE TEMP TABLE p AS SELECT id FROM certificate_profile WHERE name = 'p';

SELECT lives_ok(format('INSERT INTO profile_extension (profile_id, name, critical, value) SELECT id, %L, %L, %L FROM p; DELETE FROM profile_extension', n, c, v),
        format('%s = %s', n, v))
    FROM (VALUES ('keyUsage', true, 'digitalSignature'), ('keyUsage', true, 'digitalSignature, keyEncipherment,nonRepudiation'), ('keyUsage', true, 'keyAgreement,encipherOnly'),
        ('extendedKeyUsage', false, 'clientAuth'), ('extendedKeyUsage', true, 'serverAuth, clientAuth, 1.3.6.1.4.1.311.20.2.2'),
        ('extendedKeyUsage', false, 'anyExtendedKeyUsage'), ('extendedKeyUsage', false, 'cmcRA,clientAuth'),
        ('basicConstraints', true, 'CA:FALSE'), ('certificatePolicies', false, '1.2.3.4, anyPolicy'), ('crlDistributionPoints', false, 'URI:http://crl.example/a.crl, URI:http://b.example/b'),
        ('crlDistributionPoints', false, 'URI:ldap://x.example/cn=a'), ('authorityInfoAccess', false, 'OCSP;URI:http://ocsp.example/,caIssuers;URI:http://ca.example/ca.der'),
        ('tlsfeature', false, 'status_request'), ('noCheck', false, 'ignored'), ('nsComment', false, 'Made by RA'),
        ('1.3.6.1.4.1.99999.1', false, 'DER:0403414243'), ('1.3.6.1.4.1.99999.1', true, 'DER:04:03:41:42:43'), ('1.3.6.1.4.1.99999.1', false, 'ASN1:UTF8String:device, class 7'),
        ('1.3.6.1.4.1.99999.1', false, 'ASN1:NULL'), ('1.3.6.1.4.1.99999.1', false, 'ASN1:INTEGER:7'), ('2.5.29.16', false, 'DER:3000')) AS good (n, c, v);

-- name, critical, value, what the message says
SELECT throws_like(format('INSERT INTO profile_extension (profile_id, name, critical, value) SELECT id, %L, %L, %L FROM p', n, c, v), said, format('%s = %s is refused', n, shown(v)))
    FROM (VALUES
        -- CA powers
        ('basicConstraints', true, 'CA:TRUE', 'profile_extension.value of basicConstraints = ''CA:TRUE'' refused; allowed: CA:FALSE'),
        ('basicConstraints', true, 'CA:FALSE,pathlen:0', '%allowed: CA:FALSE'), ('basicConstraints', true, 'critical,CA:FALSE', '%allowed: CA:FALSE'),
        ('basicConstraints', true, 'DER:30030101ff', '%allowed: CA:FALSE'), ('basicConstraints', true, '@bc', '%allowed: CA:FALSE'),
        ('keyUsage', true, 'keyCertSign', '%are for CAs%'), ('keyUsage', true, 'digitalSignature,cRLSign', '%are for CAs%'), ('keyUsage', true, 'Certificate Sign', '%are for CAs%'),
        ('keyUsage', true, 'DER:03020106', '%are for CAs%'), ('keyUsage', true, '@ku', '%are for CAs%'), ('keyUsage', true, 'digitalSignature,digitalSignature', '%none twice'),
        ('keyUsage', true, 'digitalSignature,', '%are for CAs%'), ('keyUsage', true, 'critical,digitalSignature', '%are for CAs%'),
        ('keyUsage', true, 'encipherOnly', '%together with keyAgreement'), ('keyUsage', true, 'keyAgreement,encipherOnly,decipherOnly', '%together with keyAgreement'),
        ('extendedKeyUsage', true, 'anyExtendedKeyUsage', '%only where the extension is not critical'), ('extendedKeyUsage', true, 'clientAuth,2.5.29.37.0', '%only where the extension is not critical'),
        ('extendedKeyUsage', false, 'cmcCA', '%cmcRA%'), ('extendedKeyUsage', false, '1.3.6.1.5.5.7.3.27', '%not cmcCA%'), ('extendedKeyUsage', false, '1.2..3', '%well-formed%'),
        ('extendedKeyUsage', false, 'ClientAuth', '%clientAuth%'), ('extendedKeyUsage', false, '3.1.2', '%well-formed%'), ('extendedKeyUsage', false, '1.40.1', '%well-formed%'),
        ('nameConstraints', true, 'permitted;DNS:example.com', 'profile_extension.name = ''nameConstraints'' refused%'), ('policyConstraints', true, 'requireExplicitPolicy:0', 'profile_extension.name%'),
        ('inhibitAnyPolicy', true, '0', 'profile_extension.name%'), ('policyMappings', true, '1.2:1.3', 'profile_extension.name%'),
        ('2.5.29.19', true, 'DER:30030101FF', 'profile_extension.name = ''2.5.29.19'' refused%'), ('2.5.29.15', true, 'DER:03020106', 'profile_extension.name%'),
        ('2.5.29.30', true, 'DER:3000', 'profile_extension.name%'), ('2.5.29.36', true, 'DER:3000', 'profile_extension.name%'), ('2.5.29.37', true, 'DER:3000', 'profile_extension.name%'),
        ('1.3.6.1.5.5.7.1.7', true, 'DER:3000', 'profile_extension.name%'), ('1.3.6.1.5.5.7.1.14', true, 'DER:3000', 'profile_extension.name%'),
        ('1.3.6.1.4.1.11129.2.4.3', true, 'ASN1:NULL', 'profile_extension.name%'), ('2.16.840.1.113730.1.1', false, 'DER:03020001', 'profile_extension.name%'),
        ('nsCertType', false, 'sslCA', 'profile_extension.name%'), ('1.3.6.1.5.5.7.1.24', false, 'DER:3000', 'profile_extension.name%'),
        -- what the module writes itself
        ('subjectKeyIdentifier', false, 'hash', '%does not write itself%'), ('authorityKeyIdentifier', false, 'keyid', '%does not write itself%'),
        ('subjectAltName', false, 'DNS:a.example', '%does not write itself%'), ('2.5.29.17', false, 'DER:3000', '%does not write itself%'),
        ('issuerAltName', false, 'issuer:copy', 'profile_extension.name%'),
        -- unknown and malformed names
        ('KeyUsage', true, 'digitalSignature', 'profile_extension.name%'), ('', false, 'x', 'profile_extension.name%'), ('1', false, 'DER:0500', 'profile_extension.name%'),
        ('1.02.3', false, 'DER:0500', 'profile_extension.name%'), ('1.2.3.', false, 'DER:0500', 'profile_extension.name%'),
        -- what a configuration parser might take up
        ('nsComment', false, '$ENV::HOME', '%no $, .include, .pragma%'), ('nsComment', false, '${x}', '%no $%'), ('nsComment', false, '.include /etc/passwd', '%no $%'),
        ('nsComment', false, '.PRAGMA x', '%no $%'), ('nsComment', false, E'a\nb', '%one line%'), ('nsComment', false, E'a\rb', '%one line%'), ('nsComment', false, '', '%one line%'),
        ('nsComment', false, ' a', '%one line%'), ('nsComment', false, E'a\u2028b', '%one line%'), ('nsComment', false, 'é', '%of ASCII'), ('nsComment', false, repeat('a', 201), '%of ASCII'),
        -- the rest
        ('certificatePolicies', false, '1.2.3,ia5org', '%dotted OIDs, anyPolicy%'), ('certificatePolicies', false, '3.2', '%dotted OIDs, anyPolicy%'), ('certificatePolicies', false, '1.2.03', '%well-formed%'),
        ('crlDistributionPoints', false, 'http://crl.example/a', '%URI:http%'), ('crlDistributionPoints', false, 'section', '%URI:http%'), ('crlDistributionPoints', false, 'URI:file:///etc/passwd', '%URI:http%'),
        ('crlDistributionPoints', false, 'dirName:x', '%URI:http%'), ('authorityInfoAccess', true, 'OCSP;URI:http://o.example', 'profile_extension.critical of authorityInfoAccess%'),
        ('authorityInfoAccess', false, 'OCSP:http://o.example', '%OCSP;URI%'), ('authorityInfoAccess', false, 'OCSP;email:a@b', '%OCSP;URI%'),
        ('tlsfeature', false, '5', '%status_request%'), ('noCheck', false, 'yes', '%ignored'),
        ('1.3.6.1.4.1.99999.1', false, 'DER:', '%one DER value%'), ('1.3.6.1.4.1.99999.1', false, 'DER:0', '%one DER value%'), ('1.3.6.1.4.1.99999.1', false, 'DER:0403', '%one DER value%'),
        ('1.3.6.1.4.1.99999.1', false, 'DER:04010101', '%one DER value%'), ('1.3.6.1.4.1.99999.1', false, 'DER:04810101', '%one DER value%'), ('1.3.6.1.4.1.99999.1', false, 'abc', '%one DER value%'),
        ('1.3.6.1.4.1.99999.1', false, 'ASN1:SEQUENCE:x', '%one DER value%'), ('1.3.6.1.4.1.99999.1', false, 'ASN1:FORMAT:HEX,OCT:00', '%one DER value%'),
        ('1.3.6.1.4.1.99999.1', false, 'critical,DER:0500', '%one DER value%')) AS bad (n, c, v, said);
SELECT throws_like($$INSERT INTO profile_extension (profile_id, name, value) SELECT id, 'keyUsage', NULL FROM p$$, '%null value in column "value"%', 'a value is there');

INSERT INTO profile_extension (profile_id, name, value) SELECT id, 'nsComment', 'a' FROM p;
SELECT throws_like($$INSERT INTO profile_extension (profile_id, name, value) SELECT id, 'nsComment', 'b' FROM p$$, '%duplicate key%', 'an extension once a profile');
DELETE FROM profile_extension;

-- Sections: single lines
SELECT throws_like(format('INSERT INTO profile_extension_section (profile_id, section, name, value) SELECT id, %L, %L, %L FROM p', s, n, v), said, format('line [%s] %s = %s is refused', s, n, shown(v)))
    FROM (VALUES ('a b', 'URI.1', 'http://a.example', 'profile_extension_section.section = ''a b'' refused%'), ('', 'URI.1', 'http://a.example', 'profile_extension_section.section%'),
        ('@a', 'URI.1', 'http://a.example', 'profile_extension_section.section%'), ('a', 'dirName', 'x', 'profile_extension_section.name = ''dirName'' refused%'),
        ('a', 'CA', 'TRUE', 'profile_extension_section.name%'), ('a', 'URI.1', '$x', 'profile_extension_section.value = ''$x'' refused%'), ('a', 'URI.1', E'a\nb', 'profile_extension_section.value%')) AS bad (s, n, v, said);

-- Sections: as they are used, judged when constraints are
CREATE FUNCTION pg_temp.use_section(ext text, v text, lines text[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO est.profile_extension (profile_id, name, value) SELECT id, ext, v FROM p;
    FOR i IN 1 .. coalesce(array_length(lines, 1), 0) LOOP
        INSERT INTO est.profile_extension_section (profile_id, section, position, name, value) SELECT id, lines[i][1], i, lines[i][2], lines[i][3] FROM p;
    END LOOP;
    SET CONSTRAINTS ALL IMMEDIATE;
    SET CONSTRAINTS ALL DEFERRED;
    DELETE FROM est.profile_extension;
    DELETE FROM est.profile_extension_section;
END $$;
SELECT lives_ok(format('SELECT pg_temp.use_section(%L, %L, %L)', e, v, l), format('%s = %s with %s', e, v, l))
    FROM (VALUES ('crlDistributionPoints', '@dp', '{{dp,URI.1,"http://a.example/x?a=b,c"},{dp,URI.2,ldap://b.example}}'), ('authorityInfoAccess', '@aia', '{{aia,OCSP;URI.1,http://o.example},{aia,caIssuers;URI,http://i.example}}'),
        ('certificatePolicies', '1.2.3,@pol', '{{pol,policyIdentifier,1.2.4},{pol,CPS.1,https://cps.example},{pol,userNotice.1,@n},{n,explicitText,"For tests, only"},{n,organization,Example},{n,noticeNumbers,"1,2"}}')) AS good (e, v, l);
SELECT throws_like(format('SELECT pg_temp.use_section(%L, %L, %L)', e, v, l), said, format('%s = %s with %s is refused', e, v, l))
    FROM (VALUES ('crlDistributionPoints', '@dp', '{}', '%allowed: a section that has rows%'), ('crlDistributionPoints', '@dp', '{{other,URI.1,http://a.example}}', '%allowed: a section that has rows%'),
        ('crlDistributionPoints', '@dp', '{{dp,URI.1,file:///x}}', '%[dp] URI.1 = % refused; allowed: a URI%'), ('crlDistributionPoints', '@dp', '{{dp,policyIdentifier,1.2.3}}', '%in [dp] = ''policyIdentifier'' refused; allowed: URI.n%'),
        ('authorityInfoAccess', '@dp', '{{dp,URI.1,http://a.example}}', '%allowed: OCSP;URI.n%'), ('certificatePolicies', '@p', '{{p,CPS,http://a.example}}', '%a section with a policyIdentifier'),
        ('certificatePolicies', '@p', '{{p,policyIdentifier,x}}', '%a dotted OID, or anyPolicy'), ('certificatePolicies', '@p', '{{p,policyIdentifier,1.2.3},{p,userNotice.1,@none}}', '%allowed: a section that has rows%'),
        ('certificatePolicies', '@p', '{{p,policyIdentifier,1.2.3},{p,userNotice.1,text}}', '%allowed: @section'), ('certificatePolicies', '@p', '{{p,policyIdentifier,1.2.3},{p,userNotice.1,@n},{n,organization,x}}', '%organization and noticeNumbers both%'),
        ('certificatePolicies', '@p', '{{p,policyIdentifier,1.2.3},{p,userNotice.1,@p}}', '%(the section is for user notice)')) AS bad (e, v, l, said);
SELECT throws_like($$INSERT INTO profile_extension (profile_id, name, value) SELECT id, 'crlDistributionPoints', '@dp' FROM p;
    INSERT INTO profile_extension_section (profile_id, section, name, value) SELECT id, 'dp', 'URI', 'http://a.example' FROM certificate_profile WHERE name = 'q'; SET CONSTRAINTS ALL IMMEDIATE$$,
    '%of the same profile', 'a section of another profile does not count');
INSERT INTO profile_extension (profile_id, name, value) SELECT id, 'crlDistributionPoints', '@dp' FROM p;
INSERT INTO profile_extension_section (profile_id, section, name, value) SELECT id, 'dp', 'URI', 'http://a.example' FROM p;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT throws_like($$DELETE FROM profile_extension_section$$, '%a section that has rows%', 'a section in use cannot be deleted');
SELECT throws_like($$UPDATE profile_extension_section SET section = 'x'$$, '%a section that has rows%', 'a section in use cannot be renamed');
SELECT lives_ok($$DELETE FROM certificate_profile$$, 'a profile goes with its extensions and sections');

SELECT * FROM finish();
ROLLBACK;
