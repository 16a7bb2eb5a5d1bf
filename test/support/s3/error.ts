/** A refusal in S3's own words. */
export class S3Error extends Error {
  readonly code: string;
  readonly status: number;

  constructor(status: number, code: string, message = code) {
    super(message);
    this.name = 'S3Error';
    this.code = code;
    this.status = status;
  }
}

export const notImplemented = (what: string) =>
  new S3Error(501, 'NotImplemented', `${what} is not implemented`);
export const accessDenied = (why = 'Access Denied') => new S3Error(403, 'AccessDenied', why);
export const invalidRequest = (why: string) => new S3Error(400, 'InvalidRequest', why);
