// What no retained snapshot needs any more: the rows of publications, files, texts and blocks that are collected.
// Views, records and the audit log are never collected.
import { type Sha256, sha256Bytes, sha256FromBytes } from '../lib/digest.ts'
import type { Database, Tx } from './database.ts'
import type { PackedBlock } from './texts.ts'

/** A pack, and how much of it is still of use. */
export interface PackUse {
  readonly sha256: Sha256
  readonly liveBytes: number
}

export interface PlacedPackedBlock extends PackedBlock {
  readonly blockId: number
}

export class Garbage {
  readonly #db: Database

  constructor(db: Database) {
    this.#db = db
  }

  /** Deletes publications that no head and no snapshot that is served has; how many. */
  deletePublications(tx: Tx): number {
    const dead = `SELECT publication.id FROM publication WHERE NOT EXISTS (
        SELECT 1 FROM published
        CROSS JOIN snapshot ON snapshot.channel_id = published.channel_id AND snapshot.collected_at IS NULL
          AND snapshot.revision >= published.since AND (published.until IS NULL OR snapshot.revision < published.until)
        WHERE published.publication_id = publication.id)
      AND NOT EXISTS (
        SELECT 1 FROM envelope CROSS JOIN head ON head.envelope_id = envelope.id
        WHERE envelope.publication_id = publication.id)`
    const ids = JSON.stringify(this.#db.pluck<number>(dead).all())
    for (const table of ['publication_file', 'snapshot_envelope', 'envelope', 'published'])
      tx.run(`DELETE FROM ${table} WHERE publication_id IN (SELECT value FROM json_each(?))`, ids)
    return tx.run('DELETE FROM publication WHERE id IN (SELECT value FROM json_each(?))', ids).changes
  }

  /** Deletes signed files that were renewed since. */
  deleteEnvelopes(tx: Tx): void {
    tx.run('DELETE FROM envelope WHERE id NOT IN (SELECT envelope_id FROM head)')
  }

  /** Deletes generated files that no publication lists, and what only they were made of. */
  deleteFiles(tx: Tx): number {
    const { changes } = tx.run(
      `DELETE FROM generated_file WHERE NOT EXISTS (
         SELECT 1 FROM publication_file WHERE publication_file.sha256 = generated_file.sha256 AND is_served = 1)`,
    )
    const texts = JSON.stringify(
      this.#db
        .pluck<number>(
          `SELECT id FROM text WHERE NOT EXISTS (SELECT 1 FROM generated_file WHERE text_id = text.id)`,
        )
        .all(),
    )
    tx.run('DELETE FROM text_block WHERE text_id IN (SELECT value FROM json_each(?))', texts)
    tx.run('DELETE FROM text WHERE id IN (SELECT value FROM json_each(?))', texts)
    const blocks = JSON.stringify(
      this.#db
        .pluck<number>(
          `SELECT id FROM block WHERE NOT EXISTS (SELECT 1 FROM text_block WHERE block_id = block.id)`,
        )
        .all(),
    )
    tx.run('DELETE FROM packed_block WHERE block_id IN (SELECT value FROM json_each(?))', blocks)
    tx.run('DELETE FROM block WHERE id IN (SELECT value FROM json_each(?))', blocks)
    return changes
  }

  /** Unpacked texts serve only the next publication: those of what is not a head's are forgotten. */
  deleteOldTexts(tx: Tx): void {
    tx.run(
      `DELETE FROM packed_block WHERE encoder = 'text' AND block_id NOT IN (
         SELECT text_block.block_id FROM head
         CROSS JOIN envelope ON envelope.id = head.envelope_id
         CROSS JOIN publication_file ON publication_file.publication_id = envelope.publication_id
         CROSS JOIN text ON text.sha256 = publication_file.sha256
         CROSS JOIN text_block ON text_block.text_id = text.id
         WHERE publication_file.is_served = 0)`,
    )
  }

  /** Every pack that something lies in; whole files of upstream among them. */
  packs(): PackUse[] {
    const rows = this.#db
      .prepare<{ pack: Uint8Array; bytes: number }>(
        `SELECT pack_sha256 AS pack, sum(bytes) AS bytes FROM packed_block GROUP BY pack_sha256
         UNION ALL SELECT sha256, size_bytes FROM upstream_file`,
      )
      .all()
    const byPack = new Map<Sha256, number>()
    for (const { pack, bytes } of rows) {
      const sha256 = sha256FromBytes(pack)
      byPack.set(sha256, Math.max(bytes, byPack.get(sha256) ?? 0))
    }
    return [...byPack].map(([sha256, liveBytes]) => ({ sha256, liveBytes }))
  }

  /** What lies in a pack, in order. */
  blocksIn(pack: Sha256): PlacedPackedBlock[] {
    return this.#db
      .prepare<{
        block_id: number
        encoder: string
        start: number
        bytes: number
        unpadded_bytes: number
        crc32: number
      }>('SELECT * FROM packed_block WHERE pack_sha256 = ? ORDER BY start')
      .all(sha256Bytes(pack))
      .map((row) => ({
        blockId: row.block_id,
        encoder: row.encoder,
        pack,
        start: row.start,
        sizeBytes: row.bytes,
        unpaddedBytes: row.unpadded_bytes,
        crc32: row.crc32,
      }))
  }

  /** Nothing lies in any pack: after a restore, which brings none. */
  forgetPacks(tx: Tx): void {
    tx.run('DELETE FROM packed_block')
    tx.run('DELETE FROM upstream_file')
    tx.run('DELETE FROM contents_state')
    tx.run("UPDATE suite_index SET plain_digest = NULL WHERE kind IN ('icons', 'contents')")
  }
}
