import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.Deflater;

public class Keep {
    static List<Object> kept = new ArrayList<>();
    static void keep(int n) { kept.add(ByteBuffer.allocateDirect(n)); }
    static void serve(int n) { keep(n); }
    public static void main(String[] arguments) throws Exception {
        for (int i = 0; i < 30000; i++) serve(i % 1000 + 50);
        for (int i = 0; i < 300; i++) {
            Deflater deflater = new Deflater();
            deflater.setInput(new byte[100]);
            deflater.finish();
            deflater.deflate(new byte[200]);
            kept.add(deflater);
        }
        System.out.println("ready");
        Thread.sleep(600000);
    }
}
