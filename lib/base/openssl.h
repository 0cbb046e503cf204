/* OpenSSL through the lazy door (lazy.h): loading it takes a command longer than all else that it
 * does before main(), and most commands speak plaintext.
 *
 * Include this instead of <openssl/...> and call OpenSSL as always: each name below stands for a
 * pointer in a table that is filled when the first of them is called. A function that is not in the
 * lists does not link: add it to its list and to the names below. Any thread. */
#ifndef KAVKA_BASE_OPENSSL_H
#define KAVKA_BASE_OPENSSL_H

#include "base/lazy.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

/* Of libcrypto, and of libssl. */
#define CRYPTO_FUNCTIONS(X) \
	X(ASN1_STRING_get0_data) X(ASN1_STRING_length) X(ASN1_TIME_to_tm) \
	X(BIO_clear_flags) X(BIO_ctrl) X(BIO_free) X(BIO_get_data) X(BIO_get_new_index) \
	X(BIO_meth_free) X(BIO_meth_new) X(BIO_meth_set_ctrl) X(BIO_meth_set_read) \
	X(BIO_meth_set_write) X(BIO_new) X(BIO_new_mem_buf) X(BIO_printf) X(BIO_read) \
	X(BIO_s_mem) X(BIO_set_data) X(BIO_set_flags) X(BIO_set_init) X(BIO_test_flags) \
	X(BIO_write) X(ERR_clear_error) X(ERR_get_error) X(ERR_peek_error) \
	X(ERR_reason_error_string) X(EVP_DecodeBlock) X(EVP_Digest) X(EVP_EncodeBlock) \
	X(EVP_MD_get_size) X(EVP_PKEY_free) X(EVP_sha256) X(EVP_sha512) \
	X(GENERAL_NAMES_free) X(HMAC) X(OPENSSL_sk_num) X(OPENSSL_sk_pop_free) \
	X(OPENSSL_sk_value) X(PEM_read_bio_PrivateKey) X(PEM_read_bio_X509) X(PKCS12_free) \
	X(PKCS12_parse) X(PKCS5_PBKDF2_HMAC) X(X509_NAME_print_ex) X(X509_STORE_CTX_free) \
	X(X509_STORE_CTX_get_error) X(X509_STORE_CTX_init) X(X509_STORE_CTX_new) \
	X(X509_STORE_CTX_set_default) X(X509_STORE_CTX_set_flags) X(X509_STORE_add_cert) \
	X(X509_STORE_set_flags) X(X509_VERIFY_PARAM_set1_ip_asc) X(X509_check_host) \
	X(X509_check_ip_asc) X(X509_free) X(X509_get0_notAfter) X(X509_get0_notBefore) \
	X(X509_get_ext_d2i) X(X509_get_issuer_name) X(X509_get_subject_name) \
	X(X509_verify_cert) X(X509_verify_cert_error_string) X(d2i_PKCS12_bio)
#define SSL_FUNCTIONS(X) \
	X(OPENSSL_cipher_name) X(SSL_CIPHER_get_name) X(SSL_CTX_check_private_key) \
	X(SSL_CTX_ctrl) X(SSL_CTX_free) X(SSL_CTX_get_cert_store) X(SSL_CTX_new) \
	X(SSL_CTX_set_cipher_list) X(SSL_CTX_set_ciphersuites) \
	X(SSL_CTX_set_default_verify_paths) X(SSL_CTX_set_options) \
	X(SSL_CTX_set_session_id_context) X(SSL_CTX_set_verify) X(SSL_CTX_use_PrivateKey) \
	X(SSL_CTX_use_cert_and_key) X(SSL_CTX_use_certificate) X(SSL_ctrl) \
	X(SSL_do_handshake) X(SSL_free) X(SSL_get0_param) X(SSL_get1_peer_certificate) \
	X(SSL_get_SSL_CTX) X(SSL_get_current_cipher) X(SSL_get_error) \
	X(SSL_get_peer_cert_chain) X(SSL_get_verify_result) X(SSL_get_version) \
	X(SSL_has_pending) X(SSL_new) X(SSL_read_ex) X(SSL_set1_host) \
	X(SSL_set_accept_state) X(SSL_set_bio) X(SSL_set_connect_state) X(SSL_set_verify) \
	X(SSL_shutdown) X(SSL_write_ex) X(TLS_client_method) X(TLS_server_method)

struct openssl {
	CRYPTO_FUNCTIONS(LAZY_FIELD)
	SSL_FUNCTIONS(LAZY_FIELD)
};

/* Loads both. 0 or E_NOT_FOUND; for the places where users ask for TLS or SASL, which can tell. */
MUST_USE int openssl_load(struct err *err);
/* The functions; ends the process with a message if they cannot be loaded. */
const struct openssl *openssl_get(void);

#ifndef OPENSSL_NAMES_ONLY
#define ASN1_STRING_get0_data (openssl_get()->ASN1_STRING_get0_data)
#define ASN1_STRING_length (openssl_get()->ASN1_STRING_length)
#define ASN1_TIME_to_tm (openssl_get()->ASN1_TIME_to_tm)
#define BIO_clear_flags (openssl_get()->BIO_clear_flags)
#define BIO_ctrl (openssl_get()->BIO_ctrl)
#define BIO_free (openssl_get()->BIO_free)
#define BIO_get_data (openssl_get()->BIO_get_data)
#define BIO_get_new_index (openssl_get()->BIO_get_new_index)
#define BIO_meth_free (openssl_get()->BIO_meth_free)
#define BIO_meth_new (openssl_get()->BIO_meth_new)
#define BIO_meth_set_ctrl (openssl_get()->BIO_meth_set_ctrl)
#define BIO_meth_set_read (openssl_get()->BIO_meth_set_read)
#define BIO_meth_set_write (openssl_get()->BIO_meth_set_write)
#define BIO_new (openssl_get()->BIO_new)
#define BIO_new_mem_buf (openssl_get()->BIO_new_mem_buf)
#define BIO_printf (openssl_get()->BIO_printf)
#define BIO_read (openssl_get()->BIO_read)
#define BIO_s_mem (openssl_get()->BIO_s_mem)
#define BIO_set_data (openssl_get()->BIO_set_data)
#define BIO_set_flags (openssl_get()->BIO_set_flags)
#define BIO_set_init (openssl_get()->BIO_set_init)
#define BIO_test_flags (openssl_get()->BIO_test_flags)
#define BIO_write (openssl_get()->BIO_write)
#define ERR_clear_error (openssl_get()->ERR_clear_error)
#define ERR_get_error (openssl_get()->ERR_get_error)
#define ERR_peek_error (openssl_get()->ERR_peek_error)
#define ERR_reason_error_string (openssl_get()->ERR_reason_error_string)
#define EVP_DecodeBlock (openssl_get()->EVP_DecodeBlock)
#define EVP_Digest (openssl_get()->EVP_Digest)
#define EVP_EncodeBlock (openssl_get()->EVP_EncodeBlock)
#define EVP_MD_get_size (openssl_get()->EVP_MD_get_size)
#define EVP_PKEY_free (openssl_get()->EVP_PKEY_free)
#define EVP_sha256 (openssl_get()->EVP_sha256)
#define EVP_sha512 (openssl_get()->EVP_sha512)
#define GENERAL_NAMES_free (openssl_get()->GENERAL_NAMES_free)
#define HMAC (openssl_get()->HMAC)
#define OPENSSL_sk_num (openssl_get()->OPENSSL_sk_num)
#define OPENSSL_sk_pop_free (openssl_get()->OPENSSL_sk_pop_free)
#define OPENSSL_sk_value (openssl_get()->OPENSSL_sk_value)
#define PEM_read_bio_PrivateKey (openssl_get()->PEM_read_bio_PrivateKey)
#define PEM_read_bio_X509 (openssl_get()->PEM_read_bio_X509)
#define PKCS12_free (openssl_get()->PKCS12_free)
#define PKCS12_parse (openssl_get()->PKCS12_parse)
#define PKCS5_PBKDF2_HMAC (openssl_get()->PKCS5_PBKDF2_HMAC)
#define X509_NAME_print_ex (openssl_get()->X509_NAME_print_ex)
#define X509_STORE_CTX_free (openssl_get()->X509_STORE_CTX_free)
#define X509_STORE_CTX_get_error (openssl_get()->X509_STORE_CTX_get_error)
#define X509_STORE_CTX_init (openssl_get()->X509_STORE_CTX_init)
#define X509_STORE_CTX_new (openssl_get()->X509_STORE_CTX_new)
#define X509_STORE_CTX_set_default (openssl_get()->X509_STORE_CTX_set_default)
#define X509_STORE_CTX_set_flags (openssl_get()->X509_STORE_CTX_set_flags)
#define X509_STORE_add_cert (openssl_get()->X509_STORE_add_cert)
#define X509_STORE_set_flags (openssl_get()->X509_STORE_set_flags)
#define X509_VERIFY_PARAM_set1_ip_asc (openssl_get()->X509_VERIFY_PARAM_set1_ip_asc)
#define X509_check_host (openssl_get()->X509_check_host)
#define X509_check_ip_asc (openssl_get()->X509_check_ip_asc)
#define X509_free (openssl_get()->X509_free)
#define X509_get0_notAfter (openssl_get()->X509_get0_notAfter)
#define X509_get0_notBefore (openssl_get()->X509_get0_notBefore)
#define X509_get_ext_d2i (openssl_get()->X509_get_ext_d2i)
#define X509_get_issuer_name (openssl_get()->X509_get_issuer_name)
#define X509_get_subject_name (openssl_get()->X509_get_subject_name)
#define X509_verify_cert (openssl_get()->X509_verify_cert)
#define X509_verify_cert_error_string (openssl_get()->X509_verify_cert_error_string)
#define d2i_PKCS12_bio (openssl_get()->d2i_PKCS12_bio)
#define OPENSSL_cipher_name (openssl_get()->OPENSSL_cipher_name)
#define SSL_CIPHER_get_name (openssl_get()->SSL_CIPHER_get_name)
#define SSL_CTX_check_private_key (openssl_get()->SSL_CTX_check_private_key)
#define SSL_CTX_ctrl (openssl_get()->SSL_CTX_ctrl)
#define SSL_CTX_free (openssl_get()->SSL_CTX_free)
#define SSL_CTX_get_cert_store (openssl_get()->SSL_CTX_get_cert_store)
#define SSL_CTX_new (openssl_get()->SSL_CTX_new)
#define SSL_CTX_set_cipher_list (openssl_get()->SSL_CTX_set_cipher_list)
#define SSL_CTX_set_ciphersuites (openssl_get()->SSL_CTX_set_ciphersuites)
#define SSL_CTX_set_default_verify_paths (openssl_get()->SSL_CTX_set_default_verify_paths)
#define SSL_CTX_set_options (openssl_get()->SSL_CTX_set_options)
#define SSL_CTX_set_session_id_context (openssl_get()->SSL_CTX_set_session_id_context)
#define SSL_CTX_set_verify (openssl_get()->SSL_CTX_set_verify)
#define SSL_CTX_use_PrivateKey (openssl_get()->SSL_CTX_use_PrivateKey)
#define SSL_CTX_use_cert_and_key (openssl_get()->SSL_CTX_use_cert_and_key)
#define SSL_CTX_use_certificate (openssl_get()->SSL_CTX_use_certificate)
#define SSL_ctrl (openssl_get()->SSL_ctrl)
#define SSL_do_handshake (openssl_get()->SSL_do_handshake)
#define SSL_free (openssl_get()->SSL_free)
#define SSL_get0_param (openssl_get()->SSL_get0_param)
#define SSL_get1_peer_certificate (openssl_get()->SSL_get1_peer_certificate)
#define SSL_get_SSL_CTX (openssl_get()->SSL_get_SSL_CTX)
#define SSL_get_current_cipher (openssl_get()->SSL_get_current_cipher)
#define SSL_get_error (openssl_get()->SSL_get_error)
#define SSL_get_peer_cert_chain (openssl_get()->SSL_get_peer_cert_chain)
#define SSL_get_verify_result (openssl_get()->SSL_get_verify_result)
#define SSL_get_version (openssl_get()->SSL_get_version)
#define SSL_has_pending (openssl_get()->SSL_has_pending)
#define SSL_new (openssl_get()->SSL_new)
#define SSL_read_ex (openssl_get()->SSL_read_ex)
#define SSL_set1_host (openssl_get()->SSL_set1_host)
#define SSL_set_accept_state (openssl_get()->SSL_set_accept_state)
#define SSL_set_bio (openssl_get()->SSL_set_bio)
#define SSL_set_connect_state (openssl_get()->SSL_set_connect_state)
#define SSL_set_verify (openssl_get()->SSL_set_verify)
#define SSL_shutdown (openssl_get()->SSL_shutdown)
#define SSL_write_ex (openssl_get()->SSL_write_ex)
#define TLS_client_method (openssl_get()->TLS_client_method)
#define TLS_server_method (openssl_get()->TLS_server_method)
#endif

#endif
