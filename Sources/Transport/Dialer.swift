internal import CFabric
internal import CSystem
internal import Glibc
internal import Synchronization

/// Looks addresses up beside the loop, for providers whose look-up waits for the network: librdmacm blocks for two seconds
/// where no machine answers at an address, and a node that waited for a dead fellow would fall silent itself.
@safe final class Dialer: Sendable {
    /// What a provider offers for one address; freed with its last owner (fi_freeinfo).
    @safe final class Offer: @unchecked Sendable {
        let info: UnsafeMutablePointer<fi_info>
        init(_ info: UnsafeMutablePointer<fi_info>) { unsafe self.info = info }
        deinit { unsafe fi_freeinfo(info) }
    }
    struct Answer: Sendable {
        let link: LinkID
        let outcome: Result<Offer, TransportError>
    }
    /// What one thread is to look up.
    struct Question: Sendable {
        let link: LinkID
        let provider: String
        let host: String
        let port: UInt16
        let source: [UInt8]
    }

    /// Look-ups under way in this process. It does not end before them: libfabric takes its own memory down at exit, under the
    /// feet of whoever is in it.
    private static let underWay = Atomic<Int>(0)
    private static let waitsAtExit: Void = {
        atexit {
            for _ in 0..<Dialer.exitMilliseconds where Dialer.underWay.load(ordering: .acquiring) > 0 { usleep(1000) }
        }
    }()
    /// librdmacm gives an address up after two seconds.
    private static let exitMilliseconds = 5000

    private let answers = Mutex<[Answer]>([])
    /// Readable when there are answers (eventfd).
    let ready: Int32

    init() throws(TransportError) {
        ready = eventfd(0, Int32(EFD_CLOEXEC | EFD_NONBLOCK))
        guard ready >= 0 else { throw .failed(call: "eventfd", why: unsafe String(cString: strerror(errno))) }
    }
    deinit { close(ready) }

    /// Asks on a thread of its own, which keeps this object until it has its answer (pthread_create).
    func ask(_ question: Question) {
        _ = Self.waitsAtExit
        Self.underWay.add(1, ordering: .relaxed)
        let work = unsafe Unmanaged.passRetained(Work(self, question))
        var thread = pthread_t()
        let status = unsafe pthread_create(&thread, nil, { context in
            // Lifetime: retained above for this thread, which releases it once.
            let work = unsafe Unmanaged<Work>.fromOpaque(context!).takeRetainedValue()
            work.dialer.answer(work.question)
            Dialer.underWay.subtract(1, ordering: .releasing)
            return nil
        }, work.toOpaque())
        guard status == 0 else {
            unsafe work.release()
            Self.underWay.subtract(1, ordering: .relaxed)
            return add(Answer(link: question.link, outcome: .failure(.failed(call: "pthread_create", why: Fabric.words(status)))))
        }
        pthread_detach(thread)
    }
    private final class Work: Sendable {
        let dialer: Dialer
        let question: Question
        init(_ dialer: Dialer, _ question: Question) { (self.dialer, self.question) = (dialer, question) }
    }
    private func answer(_ question: Question) {
        do throws(TransportError) {
            let info = try unsafe Fabric.resolve(
                provider: question.provider, host: question.host, port: question.port, listening: false, source: question.source)
            add(Answer(link: question.link, outcome: .success(unsafe Offer(info))))
        } catch {
            add(Answer(link: question.link, outcome: .failure(error)))
        }
    }
    private func add(_ answer: Answer) {
        answers.withLock { $0.append(answer) }
        eventfd_write(ready, 1)
    }

    /// Takes what has been found so far.
    func take() -> [Answer] {
        var count: UInt64 = 0
        _ = unsafe eventfd_read(ready, &count)
        return answers.withLock { list in
            let taken = list
            list.removeAll()
            return taken
        }
    }
}
