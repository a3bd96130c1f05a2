// How blocks are packed, and what stands before and after them in a file.
import { combineCrc32, deflateBlock, gzipHeader, gzipTrailer } from '../../lib/gzip.ts'
import { xzBlock, xzHeader, xzTrailer } from '../../lib/xz.ts'

export type PackedForm = 'gz' | 'xz'

export interface EncodedBlock {
  readonly bytes: Buffer
  /** For xz: the block without its padding, as the stream's index wants it. */
  readonly unpaddedBytes: number
}

export interface Encoder {
  /** Codec, settings and version: blocks of another one are not mixed in. */
  readonly name: string
  /** The ending of the file's name. */
  readonly ending: '' | `.${PackedForm}`
  encode(raw: Buffer): EncodedBlock | Promise<EncodedBlock>
}

function asItIs(raw: Buffer): EncodedBlock {
  return { bytes: raw, unpaddedBytes: raw.length }
}

/** The text itself, kept so that the next publication can be hashed without rendering all of it. */
export const textEncoder: Encoder = { name: 'text', ending: '', encode: asItIs }

/** A file that is passed on as upstream has it. */
export const plainEncoder: Encoder = { name: 'plain', ending: '', encode: asItIs }

export type Encoders = Readonly<Record<PackedForm, Encoder>>

export const packedEncoders: Encoders = {
  gz: {
    name: 'gz6-1',
    ending: '.gz',
    async encode(raw) {
      const bytes = await deflateBlock(raw, 6)
      return { bytes, unpaddedBytes: bytes.length }
    },
  },
  xz: { name: 'xz5-1', ending: '.xz', encode: (raw) => xzBlock(raw, 5) },
}

/** A block as the file's tail counts it. */
export interface CountedBlock {
  readonly rawBytes: number
  /** Of the unpacked block. */
  readonly rawCrc32: number
  readonly unpaddedBytes: number
}

interface Container {
  readonly head: Buffer
  tail(blocks: readonly CountedBlock[]): Buffer
}

const nothing = Buffer.alloc(0)
const containers: Record<string, Container> = {
  text: { head: nothing, tail: () => nothing },
  plain: { head: nothing, tail: () => nothing },
  gz: {
    head: gzipHeader,
    tail(blocks) {
      const crc = blocks.reduce((sum, block) => combineCrc32(sum, block.rawCrc32, block.rawBytes), 0)
      return gzipTrailer(
        crc,
        blocks.reduce((sum, block) => sum + block.rawBytes, 0),
      )
    },
  },
  xz: {
    head: xzHeader,
    tail: (blocks) =>
      xzTrailer(blocks.map((block) => ({ rawBytes: block.rawBytes, unpaddedBytes: block.unpaddedBytes }))),
  },
}

/** What stands around the blocks of a file; an encoder of an earlier version is known by its codec. */
export function containerOf(encoder: string): Container {
  return containers[encoder.replace(/\d.*$/, '')]!
}
