internal import CYAML

/// An event of libyaml's parser, copied out of its memory.
struct YAMLEvent {
    enum Kind {
        case streamStart, streamEnd, documentStart, documentEnd, sequenceEnd, mappingEnd
        case alias(String)
        case scalar(String, plain: Bool)
        case sequenceStart, mappingStart
    }
    let kind: Kind
    let mark: TextMark
    /// Of the value that begins here, where it has them.
    var anchor: String?
    var tag: String?
}

/// What libyaml's parser says when it cannot go on.
struct YAMLSyntaxError: Error {
    let mark: TextMark
    let problem: String
    /// What it was at and where that began.
    var context: String?
    var contextMark: TextMark?
}

/// libyaml's parser over bytes in memory (yaml_parser_t); frees all that it holds at its end.
@safe struct YAMLEvents: ~Copyable {
    private let parser: UnsafeMutablePointer<yaml_parser_t>
    private let initialized: Bool
    private let text: UnsafeBufferPointer<UInt8>

    /// `text` is UTF-8 and stays in place as long as this lives (yaml_parser_initialize, yaml_parser_set_input_string).
    @unsafe init(_ text: UnsafeBufferPointer<UInt8>) {
        unsafe self.text = text
        unsafe parser = .allocate(capacity: 1)
        unsafe initialized = yaml_parser_initialize(parser) == 1
        guard initialized else { return }
        unsafe yaml_parser_set_encoding(parser, YAML_UTF8_ENCODING)
        unsafe yaml_parser_set_input_string(parser, text.baseAddress, text.count)
    }

    deinit {
        if initialized { unsafe yaml_parser_delete(parser) }
        unsafe parser.deallocate()
    }

    /// The next event (yaml_parser_parse); not to be called again after an error or the stream's end.
    mutating func next() throws(YAMLSyntaxError) -> YAMLEvent {
        guard initialized else { throw YAMLSyntaxError(mark: .start, problem: "out of memory") }
        // All zeros is an event of no kind, for which yaml_event_delete has nothing to free.
        var event = unsafe yaml_event_t()
        guard unsafe yaml_parser_parse(parser, &event) == 1 else { throw failure() }
        defer { unsafe yaml_event_delete(&event) }
        return unsafe Self.copy(event)
    }

    @unsafe private static func copy(_ event: yaml_event_t) -> YAMLEvent {
        let mark = unsafe textMark(event.start_mark)
        switch unsafe event.type {
        case YAML_STREAM_START_EVENT: return YAMLEvent(kind: .streamStart, mark: mark)
        case YAML_DOCUMENT_START_EVENT: return YAMLEvent(kind: .documentStart, mark: mark)
        case YAML_DOCUMENT_END_EVENT: return YAMLEvent(kind: .documentEnd, mark: mark)
        case YAML_SEQUENCE_END_EVENT: return YAMLEvent(kind: .sequenceEnd, mark: mark)
        case YAML_MAPPING_END_EVENT: return YAMLEvent(kind: .mappingEnd, mark: mark)
        case YAML_ALIAS_EVENT: return YAMLEvent(kind: .alias(unsafe string(event.data.alias.anchor) ?? ""), mark: mark)
        case YAML_SCALAR_EVENT:
            let scalar = unsafe event.data.scalar
            // The value is `length` bytes at `value`, NUL bytes among them, until the event is deleted.
            let value = unsafe String(decoding: UnsafeBufferPointer(start: scalar.value, count: scalar.length), as: UTF8.self)
            return unsafe YAMLEvent(
                kind: .scalar(value, plain: scalar.style == YAML_PLAIN_SCALAR_STYLE), mark: mark,
                anchor: string(scalar.anchor), tag: string(scalar.tag))
        case YAML_SEQUENCE_START_EVENT:
            let start = unsafe event.data.sequence_start
            return unsafe YAMLEvent(kind: .sequenceStart, mark: mark, anchor: string(start.anchor), tag: string(start.tag))
        case YAML_MAPPING_START_EVENT:
            let start = unsafe event.data.mapping_start
            return unsafe YAMLEvent(kind: .mappingStart, mark: mark, anchor: string(start.anchor), tag: string(start.tag))
        default: return YAMLEvent(kind: .streamEnd, mark: mark)
        }
    }

    /// What stopped the parser; its reader gives a byte offset, its scanner and parser give marks.
    private func failure() -> YAMLSyntaxError {
        let state = unsafe parser.pointee
        let problem = unsafe string(state.problem) ?? "cannot be parsed"
        switch unsafe state.error {
        case YAML_MEMORY_ERROR: return YAMLSyntaxError(mark: .start, problem: "out of memory")
        case YAML_READER_ERROR:
            return unsafe YAMLSyntaxError(mark: mark(ofByte: state.problem_offset), problem: problem)
        default:
            let context = unsafe string(state.context)
            return unsafe YAMLSyntaxError(
                mark: textMark(state.problem_mark), problem: problem, context: context,
                contextMark: context == nil ? nil : textMark(state.context_mark))
        }
    }

    private func mark(ofByte offset: Int) -> TextMark {
        var line = 1
        var column = 1
        for unsafe byte in unsafe text.prefix(offset) {
            if byte == UInt8(ascii: "\n") {
                line += 1
                column = 1
            } else if byte & 0xC0 != 0x80 {
                column += 1
            }
        }
        return TextMark(line: line, column: column)
    }
}

private func textMark(_ mark: yaml_mark_t) -> TextMark { TextMark(line: mark.line + 1, column: mark.column + 1) }

@unsafe private func string(_ text: UnsafePointer<yaml_char_t>?) -> String? { unsafe text.map { unsafe String(cString: $0) } }
@unsafe private func string(_ text: UnsafePointer<CChar>?) -> String? { unsafe text.map { unsafe String(cString: $0) } }
