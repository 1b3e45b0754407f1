package config

// Compatibility is about what old clients need and others do not.
type Compatibility struct {
	Schema1 Schema1 `yaml:"schema1"`
	TarSum  TarSum  `yaml:"tarsum"`
}

// Schema1 is about signed manifests of Docker schema 1.
type Schema1 struct {
	Enabled     bool   `yaml:"enabled" doc:"Take manifests of Docker schema 1, which must be signed; those that are stored are served in any case."`
	TrustedKeys string `yaml:"trustedkeys" doc:"JWK set file of keys of which one at least must have signed such a manifest; empty takes every key."`
	Signers     int    `yaml:"signers" doc:"How many signatures of one such manifest are kept, up to 256; a push that brings more is refused."`
}

// TarSum is about what Docker before 1.6 called layers by.
type TarSum struct {
	Enabled bool `yaml:"enabled" doc:"Take TarSums in the place of digests of layers."`
}
