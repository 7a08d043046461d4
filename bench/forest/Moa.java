// MOA's adaptive random forest on a stream: CPU time of the learning thread, after rounds that warm the compiler up.
// Collector and compiler run in threads of their own and are not counted, which favours MOA.

import com.yahoo.labs.samoa.instances.Attribute;
import com.yahoo.labs.samoa.instances.DenseInstance;
import com.yahoo.labs.samoa.instances.Instance;
import com.yahoo.labs.samoa.instances.Instances;
import com.yahoo.labs.samoa.instances.InstancesHeader;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import moa.classifiers.meta.AdaptiveRandomForest;

public class Moa {
    static final int WARM_UP = 2;
    static final int ROUNDS = 3;

    static AdaptiveRandomForest forest(String options, InstancesHeader header) {
        AdaptiveRandomForest forest = new AdaptiveRandomForest();
        forest.getOptions().setViaCLIString(options);
        forest.setRandomSeed(1);
        forest.setModelContext(header);
        forest.prepareForUse();
        return forest;
    }

    static long cpu() {
        return ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
    }

    static int best(double[] votes) {
        int best = 0;
        for (int i = 1; i < votes.length; i++) if (votes[i] > votes[best]) best = i;
        return best;
    }

    public static void main(String[] arguments) throws Exception {
        String options = arguments[0];
        List<String> lines = Files.readAllLines(Path.of(arguments[1]));
        int rows = Math.min(Integer.parseInt(arguments[2]), lines.size() - 1);
        int width = lines.get(0).split(",").length;
        ArrayList<Attribute> attributes = new ArrayList<>();
        for (int i = 0; i < width - 1; i++) attributes.add(new Attribute("f" + i));
        double[][] values = new double[rows][width];
        double classes = 0;
        for (int r = 0; r < rows; r++) {
            String[] fields = lines.get(r + 1).split(",");
            for (int i = 0; i < width; i++) values[r][i] = Double.parseDouble(fields[i]);
            classes = Math.max(classes, values[r][width - 1] + 1);
        }
        ArrayList<String> labels = new ArrayList<>();
        for (int c = 0; c < classes; c++) labels.add(String.valueOf(c));
        attributes.add(new Attribute("class", labels));
        InstancesHeader header = new InstancesHeader(new Instances("stream", attributes, 0));
        header.setClassIndex(width - 1);
        Instance[] instances = new Instance[rows];
        for (int r = 0; r < rows; r++) {
            instances[r] = new DenseInstance(1.0, values[r]);
            instances[r].setDataset(header);
        }

        int right = 0;
        AdaptiveRandomForest forest = forest(options, header);
        for (Instance instance : instances) {
            if (best(forest.getVotesForInstance(instance)) == (int) instance.classValue()) right++;
            forest.trainOnInstance(instance);
        }
        double learn = Double.MAX_VALUE, predict = Double.MAX_VALUE;
        for (int round = 0; round < WARM_UP + ROUNDS; round++) {
            forest = forest(options, header);
            long started = cpu();
            for (Instance instance : instances) forest.trainOnInstance(instance);
            learn = Math.min(learn, (cpu() - started) / 1e3 / rows);
        }
        double sink = 0;
        for (int round = 0; round < WARM_UP + ROUNDS; round++) {
            long started = cpu();
            for (Instance instance : instances) sink += best(forest.getVotesForInstance(instance));
            predict = Math.min(predict, (cpu() - started) / 1e3 / rows);
        }
        System.err.println(sink);
        System.out.printf("{\"accuracy %%\":%s,\"learn\":%s,\"predict\":%s}%n", 100.0 * right / rows, learn, predict);
    }
}
