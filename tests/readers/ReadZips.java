import java.io.BufferedInputStream;
import java.io.FileInputStream;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.zip.ZipEntry;
import java.util.zip.ZipInputStream;

/** Prints file, name and sha256 of every entry that a reader of a stream finds in zips. */
public class ReadZips {
    public static void main(String[] paths) throws Exception {
        for (String path : paths) {
            try (ZipInputStream zip =
                    new ZipInputStream(new BufferedInputStream(new FileInputStream(path)))) {
                for (ZipEntry entry; (entry = zip.getNextEntry()) != null; ) {
                    byte[] digest = MessageDigest.getInstance("SHA-256").digest(zip.readAllBytes());
                    System.out.println(
                            path + "\t" + entry.getName() + "\t" + HexFormat.of().formatHex(digest));
                }
            } catch (Exception error) {
                System.out.println(path + "\t" + error + "\t");
            }
        }
    }
}
