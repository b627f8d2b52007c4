// Runs an SCXML document in Qt's QScxmlStateMachine under a clock that is set by hand.
//
// Reads one JSON object a line: {"event": name, "data": …} sends an event, {"advance": milliseconds} lets time pass,
// {"restart": true} begins anew.
// Prints the active states after the start and after each line, as one JSON array a line.
#include <QAbstractEventDispatcher>
#include <QCoreApplication>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QScxmlStateMachine>
#include <QTimerEvent>
#include <iostream>
#include <string>

// An event loop without a wait: a timer fires when the clock is moved to it, the earliest first.
class HandClock : public QAbstractEventDispatcher {
public:
    struct Timer { int id; qint64 due; qint64 interval; QObject *object; Qt::TimerType type; };

    bool processEvents(QEventLoop::ProcessEventsFlags) override {
        QCoreApplication::sendPostedEvents();
        return true;
    }
    void registerSocketNotifier(QSocketNotifier *) override {}
    void unregisterSocketNotifier(QSocketNotifier *) override {}
    void registerTimer(int id, qint64 interval, Qt::TimerType type, QObject *object) override {
        timers.append({id, now + interval, interval, object, type});
    }
    bool unregisterTimer(int id) override {
        return timers.removeIf([id](const Timer &timer) { return timer.id == id; }) > 0;
    }
    bool unregisterTimers(QObject *object) override {
        return timers.removeIf([object](const Timer &timer) { return timer.object == object; }) > 0;
    }
    QList<TimerInfo> registeredTimers(QObject *object) const override {
        QList<TimerInfo> found;
        for (const Timer &timer : timers)
            if (timer.object == object)
                found.append(TimerInfo(timer.id, int(timer.interval), timer.type));
        return found;
    }
    int remainingTime(int id) override {
        for (const Timer &timer : timers)
            if (timer.id == id)
                return int(timer.due - now);
        return -1;
    }
    void wakeUp() override {}
    void interrupt() override {}

    void advance(qint64 milliseconds) {
        const qint64 until = now + milliseconds;
        for (;;) {
            int first = -1;
            for (int index = 0; index < timers.size(); ++index)
                if (timers[index].due <= until && (first < 0 || timers[index].due < timers[first].due))
                    first = index;
            if (first < 0)
                break;
            const Timer timer = timers[first];
            now = timer.due;
            timers[first].due += qMax<qint64>(timer.interval, 1);
            QTimerEvent event(timer.id);
            QCoreApplication::sendEvent(timer.object, &event);
            settle();
        }
        now = until;
    }
    static void settle() {
        for (int round = 0; round < 100; ++round)
            QCoreApplication::sendPostedEvents();
    }

private:
    QList<Timer> timers;
    qint64 now = 0;
};

static void print(const QScxmlStateMachine &machine) {
    const QJsonArray states = QJsonArray::fromStringList(machine.activeStateNames());
    std::cout << QJsonDocument(states).toJson(QJsonDocument::Compact).toStdString() << std::endl;
}

static QScxmlStateMachine *begin(const char *path) {
    QScxmlStateMachine *machine = QScxmlStateMachine::fromFile(QString::fromLocal8Bit(path));
    for (const QScxmlError &error : machine->parseErrors())
        std::cerr << error.toString().toStdString() << std::endl;
    if (!machine->parseErrors().isEmpty())
        return nullptr;
    QObject::connect(machine, &QScxmlStateMachine::log, [](const QString &, const QString &) {});
    machine->start();
    HandClock::settle();
    return machine;
}

int main(int argc, char **argv) {
    auto *clock = new HandClock;
    QCoreApplication::setEventDispatcher(clock);
    QCoreApplication application(argc, argv);
    QScxmlStateMachine *machine = begin(argv[1]);
    if (!machine)
        return 1;
    print(*machine);
    std::string line;
    while (std::getline(std::cin, line)) {
        const QJsonObject order = QJsonDocument::fromJson(QByteArray::fromStdString(line)).object();
        if (order.contains("restart")) {
            delete machine;
            machine = begin(argv[1]);
        } else if (order.contains("advance"))
            clock->advance(order["advance"].toInteger());
        else
            machine->submitEvent(order["event"].toString(), order["data"].toVariant());
        HandClock::settle();
        print(*machine);
    }
    return 0;
}
