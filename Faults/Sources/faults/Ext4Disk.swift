import CFaults
import Glibc

/// A node's disk of its own: ext4 in a file, by a loop device, mounted; its power can be cut.
final class Ext4Disk {
    /// Where it is mounted.
    let path: String
    private let device: String
    private let loop: Int32
    private var isMounted = false
    private let watch: Watch
    private static let mebibytes = 96

    init(_ name: String, in folder: String, _ watch: Watch) throws(Trouble) {
        self.watch = watch
        path = "\(folder)/\(name)"
        let image = path + ".img"
        let file = unsafe open(image, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0, ftruncate(file, off_t(Self.mebibytes << 20)) == 0 else { throw .impossible("\(image): \(reason(errno))") }
        close(file)
        try watch.run(["/usr/sbin/mkfs.ext4", "-q", "-F", "-m", "0", "-b", "4096", "-J", "size=4", image])
        guard unsafe mkdir(path, 0o700) == 0 else { throw .impossible("\(path): \(reason(errno))") }
        var device = [CChar](repeating: 0, count: 512)
        loop = unsafe faults_attach(image, folder, &device, Int32(device.count))
        guard loop >= 0 else { throw .impossible("a loop device for ext4: \(reason(-loop))") }
        self.device = String(decoding: device.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        try mount()
    }

    deinit {
        if isMounted { _ = unsafe faults_unmount(path) }
        if loop >= 0 { close(loop) }
        _ = unsafe unlink(path + ".img")
    }

    /// Replays the journal, as after a power cut.
    func mount() throws(Trouble) {
        let status = unsafe faults_mount(device, path, "ext4", "")
        guard status == 0 else { throw .impossible("mounting ext4 on a loop device: \(reason(-status))") }
        isMounted = true
    }

    /// From this moment on nothing reaches the disk.
    func cutPower() throws(Trouble) {
        let status = unsafe faults_cut_power(path)
        guard status == 0 else { throw .impossible("EXT4_IOC_SHUTDOWN: \(reason(-status))") }
    }

    /// After a cut, with the node gone: memory is forgotten, the disk is read again.
    func bringBack() throws(Trouble) {
        var status = unsafe faults_unmount(path)
        // A process that has just gone may hold it for another moment.
        let limit = monotonic() + nanoseconds(5)
        while status == -EBUSY, monotonic() < limit {
            watch.pass(2)
            status = unsafe faults_unmount(path)
        }
        guard status == 0 else { throw .impossible("unmounting \(path): \(reason(-status))") }
        isMounted = false
        try mount()
    }
}
