// A com.sun.net.httpserver with a page that writes a file: Service PORT delete|exit|rows, or Service --rate exit N.
import com.sun.net.httpserver.HttpServer;
import java.io.File;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executors;

public class Service {
    static int visits;

    static synchronized int visit() {
        return ++visits;
    }

    static String page(String kind) throws IOException {
        if (kind.equals("rows")) {
            // Much that dies young, and a part that lives on for a while; nothing is kept.
            List<String> rows = new ArrayList<>();
            for (int n = 0; n < 200 + visit() * 37 % 2000; n += 1) rows.add("row " + n);
            return String.join(",", rows.subList(0, 100));
        }
        File file = File.createTempFile("report-", ".txt");
        Files.writeString(file.toPath(), "report " + visit());
        String text = Files.readString(file.toPath());
        // The names of files to delete on exit are kept, even if there are no such files any more: JDK-4513817.
        if (kind.equals("exit")) file.deleteOnExit();
        file.delete();
        return text;
    }

    static long used() {
        System.gc();
        return Runtime.getRuntime().totalMemory() - Runtime.getRuntime().freeMemory();
    }

    public static void main(String[] words) throws Exception {
        if (words[0].equals("--rate")) {
            int calls = Integer.parseInt(words[2]);
            for (int part = 0; part < 3; part += 1) {
                long before = used();
                for (int n = 0; n < calls; n += 1) page(words[1]);
                System.out.println((used() - before) / calls);
            }
            System.exit(0);
        }
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", Integer.parseInt(words[0])), 0);
        server.createContext("/", exchange -> {
            byte[] body = page(words[1]).getBytes();
            exchange.sendResponseHeaders(200, body.length);
            exchange.getResponseBody().write(body);
            exchange.close();
        });
        server.setExecutor(Executors.newFixedThreadPool(4));
        server.start();
    }
}
