import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.node.InternalSettingsPreparer;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/**
 * Runs one real Elasticsearch 8.19 node in this JVM, through its public classes only. Arguments: ES_HOME CONFIG_DIR,
 * and "warm-up" to serve a few requests and end: what it has loaded by then goes into the class archive.
 * Unlike bin/elasticsearch it has no launcher JVM, no entitlement agent, no bootstrap checks, and may run as root.
 */
public final class EsServer {
    public static void main(String[] args) throws Exception {
        Path home = Path.of(args[0]).toAbsolutePath();
        Path config = Path.of(args[1]).toAbsolutePath();
        LogConfigurator.configureESLogging();           // before any other Elasticsearch class, or its loggers are null
        LogConfigurator.registerErrorListener();
        // reads CONFIG_DIR/elasticsearch.yml, where ${NAME} is taken from the environment
        Environment env = InternalSettingsPreparer.prepareEnvironment(
            Settings.EMPTY, Map.of("path.home", home.toString()), config, () -> "node");
        LogConfigurator.configure(env, true);           // reads CONFIG_DIR/log4j2.properties
        PluginsLoader plugins = PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(env.modulesDir()), Set.of(), Map.of(), true);
        Node node = new Node(env, plugins);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
                node.awaitClose(10, TimeUnit.SECONDS);
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        node.start();                                   // returns when HTTP is listening
        if (args.length > 2) {
            warmUp(System.getenv("ES_HTTP_PORT"));
            System.exit(0);
        }
        new CountDownLatch(1).await();                  // until SIGTERM or SIGINT
    }

    private static void warmUp(String port) throws Exception {
        String index = "http://127.0.0.1:" + port + "/warm";
        ask("GET", "http://127.0.0.1:" + port + "/_nodes", null);
        ask("PUT", index + "/_doc/1?op_type=create", "{\"result\":\"a\",\"@timestamp\":\"2026-01-01T00:00:00.000Z\"}");
        ask("GET", index + "/_doc/1", null);
        ask("POST", index + "/_update/1", "{\"doc\":{\"result\":\"b\"}}");
        ask("POST", index + "/_refresh", null);
        ask("GET", index + "/_search", null);
        ask("DELETE", index + "/_doc/1", null);
        ask("DELETE", index, null);
    }

    private static void ask(String method, String url, String body) throws Exception {
        HttpURLConnection asked = (HttpURLConnection) URI.create(url).toURL().openConnection();
        asked.setRequestMethod(method);
        if (body != null) {
            asked.setDoOutput(true);
            asked.setRequestProperty("Content-Type", "application/json");
            asked.getOutputStream().write(body.getBytes(StandardCharsets.UTF_8));
        }
        try (InputStream answer = asked.getInputStream()) {    // throws where the status is an error
            answer.readAllBytes();
        }
    }
}
