import org.apache.beam.runners.flink.FlinkJobServerDriver;

/** Beam's job server, without what it would send with every job: its own 162 jars, which the cluster has. */
public class JobServer {
  public static void main(String[] arguments) throws Exception {
    // What Beam sends is what it finds here.
    System.setProperty("java.class.path", arguments[0]);
    FlinkJobServerDriver.main(java.util.Arrays.copyOfRange(arguments, 1, arguments.length));
  }
}
