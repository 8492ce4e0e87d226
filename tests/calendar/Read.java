import java.io.FileInputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.LocalDate;
import java.util.stream.Collectors;
import net.fortuna.ical4j.data.CalendarBuilder;
import net.fortuna.ical4j.model.Calendar;
import net.fortuna.ical4j.model.Component;
import net.fortuna.ical4j.model.Recur;
import net.fortuna.ical4j.model.component.VEvent;

/**
 * Reads a calendar file, and a file of rules with their first day and a window. Writes whether the calendar is valid,
 * a line for each event (uid, first day, day after the last, alarm, summary), and one for the days of each rule.
 */
public class Read {
    public static void main(String[] files) throws Exception {
        Calendar calendar = new CalendarBuilder().build(new FileInputStream(files[0]));
        System.out.println(calendar.validate().hasErrors() ? "invalid" : "valid");
        for (VEvent event : calendar.<VEvent>getComponents(Component.VEVENT)) {
            String alarms = event.getAlarms().stream()
                .map(alarm -> alarm.getRequiredProperty("TRIGGER").getValue()).collect(Collectors.joining(" "));
            System.out.println(String.join("\t", "event", event.getRequiredProperty("UID").getValue(),
                event.getRequiredProperty("DTSTART").getValue(), event.getRequiredProperty("DTEND").getValue(),
                alarms, event.getRequiredProperty("SUMMARY").getValue()));
        }
        for (String line : Files.readAllLines(Path.of(files[1]))) {
            String[] rule = line.split("\t");
            String days = new Recur<LocalDate>(rule[0])
                .getDates(LocalDate.parse(rule[1]), LocalDate.parse(rule[2]), LocalDate.parse(rule[3])).stream()
                .map(LocalDate::toString).collect(Collectors.joining(" "));
            System.out.println("rule\t" + days);
        }
    }
}
