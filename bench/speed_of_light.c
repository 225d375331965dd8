/* speed_of_light.c: canned-reply SMTP responder on io_uring, the reference "what the kernel alone costs" of compare.py.
 * For measuring only; it is no mail server: it parses nothing and keeps nothing.
 * gcc -O2 -march=native -o speed_of_light speed_of_light.c -luring
 * usage: speed_of_light [-p port] [-d 0|1 defer_taskrun] [-f 0|1 direct fds] [-B 0|1 recv bundles] [-z 0|1 send_zc]
 *            [-b bufsize] [-n nbufs] [-S 0|1 full scan for CRLF.CRLF] [-w min_wait_usec(unused)] [-x 0|1 MSG_WAITALL]
 *            [-s 0|1 multishot recv]
 */
#define _GNU_SOURCE
#include <liburing.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/resource.h>
#include <sys/mman.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <unistd.h>
#include <errno.h>
#ifndef IORING_RECVSEND_BUNDLE
#define IORING_RECVSEND_BUNDLE (1U << 4)
#endif
#ifndef IORING_SETUP_NO_SQARRAY
#define IORING_SETUP_NO_SQARRAY (1U << 16)
#endif
enum { OP_ACCEPT, OP_RECV, OP_SEND, OP_CLOSE };
struct conn { unsigned char st; /*0=cmd 1=data*/ unsigned char nl; /*chars of current line held*/ char first[4]; unsigned tail; /* last 4 bytes, big-endian shift */ char t0; };
static struct conn *C;
static int defer=1,direct=0,bundle=0,zc=0,scan=0,port=2525,mshot=1,coop=0;
static unsigned bsz=16384,nb=1024;
static struct io_uring R;
static struct io_uring_buf_ring *BR;
static char *BUF;
static unsigned long nmsg,ncqe,nsend,nrecv,nconn,nenter;
static volatile int stop;
static void onsig(int s){stop=1;}
static const char BAN[]="220 sol ESMTP\r\n", OK[]="250 OK\r\n", DAT[]="354 go\r\n", BYE[]="221 bye\r\n";
/* OKN: up to 16 concatenated OKs so that a pipelined batch gets one send */
static char OKN[8*64+1];
static struct io_uring_sqe *sqe_(void){struct io_uring_sqe*s=io_uring_get_sqe(&R);if(!s){io_uring_submit(&R);s=io_uring_get_sqe(&R);}return s;}
#define UD(op,fd) (((unsigned long)(op)<<32)|(unsigned)(fd))
static inline void fx(struct io_uring_sqe*s){if(direct)s->flags|=IOSQE_FIXED_FILE;}
static void arm_recv(int fd){struct io_uring_sqe*s=sqe_();
  if(mshot)io_uring_prep_recv_multishot(s,fd,NULL,0,0);else io_uring_prep_recv(s,fd,NULL,0,0);
  s->flags|=IOSQE_BUFFER_SELECT;s->buf_group=0;fx(s);if(bundle)s->ioprio|=IORING_RECVSEND_BUNDLE;io_uring_sqe_set_data64(s,UD(OP_RECV,fd));}
static void do_send(int fd,const char*b,unsigned l){struct io_uring_sqe*s=sqe_();
  if(zc)io_uring_prep_send_zc(s,fd,b,l,MSG_NOSIGNAL,0);else io_uring_prep_send(s,fd,b,l,MSG_NOSIGNAL);
  fx(s);if(!zc)s->flags|=IOSQE_CQE_SKIP_SUCCESS;io_uring_sqe_set_data64(s,UD(OP_SEND,fd));nsend++;}
static void do_close(int fd){struct io_uring_sqe*s=sqe_();
  if(direct)io_uring_prep_close_direct(s,fd);else io_uring_prep_close(s,fd);
  s->flags|=IOSQE_CQE_SKIP_SUCCESS;io_uring_sqe_set_data64(s,UD(OP_CLOSE,fd));}
/* returns via oks/dat: number of 250s; sends anything that is not 250 in order */
static void feed(int fd,const char*p,unsigned n){struct conn*c=&C[fd];unsigned oks=0;const char*e=p+n;
  while(p<e){
    if(c->st){ /* DATA: find CRLF.CRLF */
      unsigned m=e-p; const char*end=NULL;
      if(scan){ /* look at every line start */
        const char*q=p; 
        /* boundary: feed the first 4 bytes through the shift register */
        unsigned long t=((unsigned long)(unsigned char)c->t0<<32)|c->tail; unsigned i=0;
        for(;i<4&&i<m;i++){t=((t<<8)|(unsigned char)p[i])&0xffffffffffUL;if(t==0x0d0a2e0d0aUL){end=p+i+1;break;}}
        if(!end&&m>4){q=p;const char*z=memmem(q,e-q,"\r\n.\r\n",5);if(z)end=z+5;}
      } else {
        if(m>=5){if(!memcmp(e-5,"\r\n.\r\n",5))end=e;}
        else{unsigned long t=((unsigned long)(unsigned char)c->t0<<32)|c->tail;for(unsigned i=0;i<m;i++)t=((t<<8)|(unsigned char)p[i])&0xffffffffffUL;if(t==0x0d0a2e0d0aUL)end=e;}
      }
      if(!end){unsigned long t=((unsigned long)(unsigned char)c->t0<<32)|c->tail;const char*q=m>5?e-5:p;for(;q<e;q++)t=((t<<8)|(unsigned char)*q)&0xffffffffffUL;c->tail=(unsigned)t;c->t0=(char)(t>>32);return;}
      p=end;c->st=0;c->nl=0;oks++;nmsg++;continue;
    }
    const char*z=memchr(p,'\n',e-p);unsigned take=z?(unsigned)(z+1-p):(unsigned)(e-p);
    for(unsigned i=0;i<take&&c->nl<4;i++)c->first[c->nl++]=p[i];
    p+=take;if(!z)break;
    c->nl=0;
    unsigned w=*(unsigned*)c->first|0x20202020u;
    if(w==0x61746164u){ /* "data" */ if(oks){do_send(fd,OKN,8*oks);oks=0;} do_send(fd,DAT,sizeof DAT-1);c->st=1;c->tail=0x0d0a;c->t0=0;}
    else if(w==0x74697571u){ /* "quit" */ if(oks){do_send(fd,OKN,8*oks);oks=0;} do_send(fd,BYE,sizeof BYE-1);}
    else oks++;
  }
  if(oks)do_send(fd,OKN,8*oks);
}
int main(int ac,char**av){int o;while((o=getopt(ac,av,"p:d:f:B:z:b:n:S:s:c:"))!=-1)switch(o){case'p':port=atoi(optarg);break;case'd':defer=atoi(optarg);break;case'f':direct=atoi(optarg);break;case'B':bundle=atoi(optarg);break;case'z':zc=atoi(optarg);break;case'b':bsz=atoi(optarg);break;case'n':nb=atoi(optarg);break;case'S':scan=atoi(optarg);break;case's':mshot=atoi(optarg);break;case'c':coop=atoi(optarg);break;default:return 2;}
  struct sigaction sa={.sa_handler=onsig};sigaction(SIGTERM,&sa,0);sigaction(SIGINT,&sa,0);
  struct rlimit rl={20000,20000};setrlimit(RLIMIT_NOFILE,&rl);
  unsigned maxfd=19008;C=mmap(0,sizeof(*C)*maxfd,3,MAP_PRIVATE|MAP_ANONYMOUS,-1,0);
  for(int i=0;i<64;i++)memcpy(OKN+8*i,OK,8);
  _Static_assert(sizeof OK-1==8,"");
  struct io_uring_params P={0};P.flags=IORING_SETUP_CQSIZE|IORING_SETUP_SINGLE_ISSUER;if(defer)P.flags|=IORING_SETUP_DEFER_TASKRUN;else if(coop)P.flags|=IORING_SETUP_COOP_TASKRUN;P.cq_entries=16384;
  int r=io_uring_queue_init_params(2048,&R,&P);if(r){fprintf(stderr,"init %s\n",strerror(-r));return 1;}
  io_uring_register_ring_fd(&R);
  if(direct){r=io_uring_register_files_sparse(&R,maxfd-8);if(r){fprintf(stderr,"files %s\n",strerror(-r));return 1;}}
  BUF=mmap(0,(size_t)bsz*nb,3,MAP_PRIVATE|MAP_ANONYMOUS|MAP_POPULATE,-1,0);
  BR=mmap(0,nb*sizeof(struct io_uring_buf),3,MAP_PRIVATE|MAP_ANONYMOUS|MAP_POPULATE,-1,0);
  struct io_uring_buf_reg br={.ring_addr=(unsigned long)BR,.ring_entries=nb,.bgid=0};
  r=io_uring_register_buf_ring(&R,&br,0);if(r){fprintf(stderr,"bufring %s\n",strerror(-r));return 1;}
  io_uring_buf_ring_init(BR);int mask=io_uring_buf_ring_mask(nb);
  for(unsigned i=0;i<nb;i++)io_uring_buf_ring_add(BR,BUF+(size_t)i*bsz,bsz,i,mask,i);
  io_uring_buf_ring_advance(BR,nb);
  /* bundles: the ring is consumed in order, so buffer ids follow each other in ring order; we re-add in consumption order => ids stay cyclic */
  int ls=socket(AF_INET,SOCK_STREAM,0),one=1;setsockopt(ls,SOL_SOCKET,SO_REUSEADDR,&one,sizeof one);setsockopt(ls,IPPROTO_TCP,TCP_NODELAY,&one,sizeof one);
  struct sockaddr_in a={.sin_family=AF_INET,.sin_port=htons(port),.sin_addr={htonl(INADDR_LOOPBACK)}};
  if(bind(ls,(void*)&a,sizeof a)||listen(ls,4096)){perror("bind");return 1;}
  struct io_uring_sqe*s=sqe_();if(direct)io_uring_prep_multishot_accept_direct(s,ls,0,0,0);else io_uring_prep_multishot_accept(s,ls,0,0,0);io_uring_sqe_set_data64(s,UD(OP_ACCEPT,0));
  while(!stop){
    r=io_uring_submit_and_wait(&R,1);nenter++;if(r<0&&r!=-EINTR&&r!=-EBUSY){fprintf(stderr,"wait %s\n",strerror(-r));return 1;}
    unsigned h,k=0;struct io_uring_cqe*q;int back=0;
    io_uring_for_each_cqe(&R,h,q){k++;
      unsigned op=q->user_data>>32;int fd=(int)(unsigned)q->user_data;
      if(op==OP_ACCEPT){
        if(q->res>=0){int nf=q->res;memset(&C[nf],0,sizeof *C);nconn++;do_send(nf,BAN,sizeof BAN-1);arm_recv(nf);}
        else fprintf(stderr,"accept %s\n",strerror(-q->res));
        if(!(q->flags&IORING_CQE_F_MORE)){s=sqe_();if(direct)io_uring_prep_multishot_accept_direct(s,ls,0,0,0);else io_uring_prep_multishot_accept(s,ls,0,0,0);io_uring_sqe_set_data64(s,UD(OP_ACCEPT,0));}
      }else if(op==OP_RECV){
        nrecv++;
        if(q->res>0){unsigned bid=q->flags>>IORING_CQE_BUFFER_SHIFT;unsigned n=q->res;
          while(n){unsigned l=n<bsz?n:bsz;feed(fd,BUF+(size_t)bid*bsz,l);n-=l;
            io_uring_buf_ring_add(BR,BUF+(size_t)bid*bsz,bsz,bid,mask,back++);
            bid=(bid+1)&mask;}
          if(!(q->flags&IORING_CQE_F_MORE))arm_recv(fd);
        }else if(q->res==-ENOBUFS){if(back){io_uring_buf_ring_advance(BR,back);back=0;}arm_recv(fd);}
        else do_close(fd);
      }else if(op==OP_SEND){ if(zc&&(q->flags&IORING_CQE_F_NOTIF)){} else if(q->res<0&&q->res!=-EPIPE&&q->res!=-ECONNRESET)fprintf(stderr,"send fd %d %s\n",fd,strerror(-q->res)); }
      else if(op==OP_CLOSE&&q->res<0)fprintf(stderr,"close %s\n",strerror(-q->res));
    }
    ncqe+=k;io_uring_cq_advance(&R,k);if(back)io_uring_buf_ring_advance(BR,back);
  }
  fprintf(stderr,"sol: msgs %lu conns %lu recvs %lu sends %lu cqes %lu enters %lu cqe/enter %.2f\n",nmsg,nconn,nrecv,nsend,ncqe,nenter,(double)ncqe/nenter);
  return 0;}
