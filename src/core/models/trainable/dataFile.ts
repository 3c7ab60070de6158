import { copyFile, mkdir, open, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { clone, create } from '@bufbuild/protobuf';
import { temporaryName } from '../../data/files.ts';
import { StringStringEntryProtoSchema, type TensorProto, TensorProtoSchema } from '../../engine/proto/onnx_pb.js';
import { bytesOfTensor, externalPlace } from '../onnxTensors.ts';
import { bytesOfFloats } from './loadedTensors.ts';
import type { StartModel } from './startModel.ts';

/** As the model names it. */
export const DATA_FILE = 'model.onnx.data';
/** External data starts at multiples of this, as numbers that are mapped into memory must. */
const ALIGNMENT = 64;

/** The file of weights beside a model, written under another name until it is whole. */
export class DataFile {
  readonly #target: string;
  readonly #temporary: string;
  readonly #start: StartModel;
  /** Where one source file keeps its layout; null: tensors are written one behind the other. */
  readonly #copied: boolean;
  #end = 0;
  #isOpen = false;

  private constructor(start: StartModel, target: string, copied: boolean) {
    this.#start = start;
    this.#target = target;
    this.#temporary = temporaryName(target);
    this.#copied = copied;
  }

  static async create(start: StartModel, target: string): Promise<DataFile> {
    const [only, ...more] = start.externalData;
    const file = new DataFile(start, target, only !== undefined && more.length === 0);
    if (only === undefined) return file;
    await mkdir(path.dirname(target), { recursive: true });
    file.#isOpen = true;
    if (more.length === 0) await copyFile(only.path, file.#temporary);
    else await (await open(file.#temporary, 'wx')).close();
    return file;
  }

  get isUsed(): boolean {
    return this.#isOpen;
  }

  /** Writes a tensor's values (undefined: as they were) and says where they lie. */
  async place(tensor: TensorProto, values: Float32Array | undefined): Promise<TensorProto> {
    const { offset } = externalPlace(tensor);
    const at = this.#copied ? offset : Math.ceil(this.#end / ALIGNMENT) * ALIGNMENT;
    const length = bytesOfTensor(tensor) ?? 0;
    if (values !== undefined || !this.#copied) {
      const bytes = values === undefined ? await this.#start.bytesOf(tensor) : bytesOfFloats(values);
      const handle = await open(this.#temporary, 'r+');
      try {
        await handle.write(bytes, 0, bytes.length, at);
      } finally {
        await handle.close();
      }
      this.#end = at + bytes.length;
    }
    const placed = clone(TensorProtoSchema, tensor);
    const entries = { location: DATA_FILE, offset: String(at), length: String(length) };
    const others = tensor.externalData.filter(({ key }) => !(key in entries) && key !== 'checksum');
    placed.externalData = [
      ...Object.entries(entries).map(([key, value]) => create(StringStringEntryProtoSchema, { key, value })),
      ...others,
    ];
    return placed;
  }

  /** Gives the file its name. */
  async finish(): Promise<void> {
    if (!this.#isOpen) return;
    const handle = await open(this.#temporary, 'r+');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(this.#temporary, this.#target);
    this.#isOpen = false;
  }

  /** Removes what was not finished. */
  async discard(): Promise<void> {
    if (this.#isOpen) await rm(this.#temporary, { force: true });
    this.#isOpen = false;
  }
}
