import type { VectorSource } from '../data/vectorSource.ts';
import type { AuditInput } from './auditInput.ts';

/** Values of all tables that are held together: 256 MB. */
const HELD_VALUES = 67_108_864;
/** Values read at once. */
const READ_VALUES = 4_194_304;

/**
 * The same vectors, small tables held in memory from their first use on: an audit reads them many times, and
 * samples of their rows one by one. Tables that are one and the same stay so.
 */
export function holdSmallTables(vectors: AuditInput['vectors']): AuditInput['vectors'] {
  let room = HELD_VALUES;
  const heldOf = new Map<VectorSource, VectorSource>();
  const held = <Source extends VectorSource | null | undefined>(source: Source): Source => {
    if (!source) return source;
    const values = source.count * source.dimension;
    if (!heldOf.has(source) && values <= room) {
      room -= values;
      heldOf.set(source, inMemory(source));
    }
    return (heldOf.get(source) ?? source) as Source;
  };
  return {
    oldQuery: held(vectors.oldQuery),
    newQuery: held(vectors.newQuery),
    oldGallery: held(vectors.oldGallery),
    newGallery: held(vectors.newGallery),
    ...('crossQuery' in vectors ? { crossQuery: held(vectors.crossQuery) } : {}),
    ...('crossGallery' in vectors ? { crossGallery: held(vectors.crossGallery) } : {}),
    paragonQuery: held(vectors.paragonQuery),
    paragonGallery: held(vectors.paragonGallery),
  };
}

function inMemory(source: VectorSource): VectorSource {
  const { count, dimension } = source;
  let values: Promise<Float32Array> | null = null;
  async function readAll(): Promise<Float32Array> {
    const all = new Float32Array(count * dimension);
    const block = Math.max(1, Math.floor(READ_VALUES / dimension));
    for (let start = 0; start < count; start += block) {
      const rows = Math.min(block, count - start);
      await source.read(start, rows, all.subarray(start * dimension, (start + rows) * dimension));
    }
    return all;
  }
  return {
    name: source.name,
    count,
    dimension,
    async read(start, rows, into) {
      values ??= readAll();
      into.set((await values).subarray(start * dimension, (start + rows) * dimension));
    },
    close: () => source.close(),
  };
}
