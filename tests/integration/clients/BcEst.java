// Copyright 2026 The mod_est authors
// SPDX-License-Identifier: Apache-2.0

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Collections;
import java.util.Set;
import javax.net.ssl.SSLSession;
import org.bouncycastle.cert.X509CertificateHolder;
import org.bouncycastle.est.ESTAuth;
import org.bouncycastle.est.ESTException;
import org.bouncycastle.est.ESTService;
import org.bouncycastle.est.EnrollmentResponse;
import org.bouncycastle.est.jcajce.JcaHttpAuthBuilder;
import org.bouncycastle.est.jcajce.JcaJceUtils;
import org.bouncycastle.est.jcajce.JsseDefaultHostnameAuthorizer;
import org.bouncycastle.est.jcajce.JsseESTServiceBuilder;
import org.bouncycastle.est.jcajce.JsseHostnameAuthorizer;
import org.bouncycastle.jce.provider.BouncyCastleProvider;
import org.bouncycastle.pkcs.PKCS10CertificationRequest;
import org.bouncycastle.util.Store;

/**
 * Bouncy Castle's EST client over Java's own TLS. One life of a device:
 *
 * <pre>BcEst PROTOCOL HOST:PORT ROOT.pem REQUEST.der KEY.p8 KEYTYPE USER PASSWORD DIRECTORY</pre>
 *
 * fetches the CA's certificates, enrols with HTTP Basic, renews over TLS client authentication with what it got, and leaves
 * cacerts-N.der, enrolled.der and renewed.der in DIRECTORY. Prints a line for each connection: its TLS version.
 */
public final class BcEst {
    private final String protocol, server;
    private final X509Certificate root;

    private BcEst(String protocol, String server, X509Certificate root) {
        this.protocol = protocol;
        this.server = server;
        this.root = root;
    }

    /** Bouncy Castle's own check of the server's name, which also tells what was negotiated */
    private static final class TellingAuthorizer implements JsseHostnameAuthorizer {
        private final JsseDefaultHostnameAuthorizer real = new JsseDefaultHostnameAuthorizer(Collections.<String>emptySet());

        @Override
        public boolean verified(String name, SSLSession session) throws IOException {
            System.out.println("connected " + session.getProtocol());
            return real.verified(name, session);
        }
    }

    private JsseESTServiceBuilder builder() throws Exception {
        Set<TrustAnchor> anchors = Collections.singleton(new TrustAnchor(root, null));
        JsseESTServiceBuilder builder = new JsseESTServiceBuilder(server, JcaJceUtils.getCertPathTrustManager(anchors, null));

        builder.withHostNameAuthorizer(new TellingAuthorizer()).withTLSVersion(protocol).withTimeout(10000);
        // Its list of suites stops at TLS 1.2
        if (protocol.equals("TLSv1.3"))
            builder.addCipherSuites(new String[] {"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384"});
        return builder;
    }

    private ESTService holderService(PrivateKey key, X509Certificate cert) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        char[] none = new char[0];

        store.load(null, null);
        store.setKeyEntry("device", key, none, new Certificate[] {cert});
        return builder().withKeyManagers(JcaJceUtils.createKeyManagerFactory("SunX509", null, store, none).getKeyManagers()).build();
    }

    private static X509Certificate read(InputStream in) throws Exception {
        return (X509Certificate) CertificateFactory.getInstance("X.509").generateCertificate(in);
    }

    private static X509CertificateHolder[] write(Store<X509CertificateHolder> store, Path directory, String pattern) throws IOException {
        X509CertificateHolder[] certs = ESTService.storeToArray(store);

        for (int i = 0; i < certs.length; i++)
            Files.write(directory.resolve(String.format(pattern, i)), certs[i].getEncoded());
        return certs;
    }

    private static X509Certificate take(EnrollmentResponse response, Path directory, String name) throws Exception {
        if (!response.isCompleted())
            throw new IllegalStateException(name + ": not completed");
        X509CertificateHolder[] certs = write(response.getStore(), directory, name);

        if (certs.length != 1)
            throw new IllegalStateException(name + ": " + certs.length + " certificates");
        return read(new ByteArrayInputStream(certs[0].getEncoded()));
    }

    public static void main(String[] args) throws Exception {
        java.security.Security.addProvider(new BouncyCastleProvider());
        PKCS10CertificationRequest request = new PKCS10CertificationRequest(Files.readAllBytes(Path.of(args[3])));
        PrivateKey key = KeyFactory.getInstance(args[5]).generatePrivate(new PKCS8EncodedKeySpec(Files.readAllBytes(Path.of(args[4]))));
        ESTAuth auth = new JcaHttpAuthBuilder(args[6], args[7].toCharArray()).setProvider("BC").build();
        Path directory = Path.of(args[8]);

        try (InputStream in = Files.newInputStream(Path.of(args[2]))) {
            BcEst client = new BcEst(args[0], args[1], read(in));
            ESTService service = client.builder().build();

            write(service.getCACerts().getCertificateStore(), directory, "cacerts-%d.der");
            X509Certificate enrolled = take(service.simpleEnroll(false, request, auth), directory, "enrolled.der");
            take(client.holderService(key, enrolled).simpleEnroll(true, request, null), directory, "renewed.der");
        } catch (ESTException e) {
            System.err.println("status " + e.getStatusCode() + ": " + e.getMessage());
            throw e;
        }
    }
}
